"""A round of the reconciliation in parts: every video that is there once, none that is gone."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.coordinator.reconcile_repository import ReconcileRepository
from services.transcoder.coordinator.reconciling import Reconciliation
from shared.contracts import VideoDeleted, new_id, stream_id
from shared.event_store.memory import MemoryEventStore
from shared.event_store.store import RecordedEvent
from shared.reconciliation import Finding
from tests.integration.transcoder.task_table import deletion_list, project, uploads
from tests.support.memory_blobs import MemoryBlobs

VIDEOS = 100


class Log(MemoryEventStore):
    """Notes which streams are read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []

    async def read_streams(self, stream_ids: Sequence[str]) -> dict[str, list[RecordedEvent]]:
        self.read += stream_ids
        return await super().read_streams(stream_ids)


def reconciliation(
    engine: AsyncEngine, log: Log, media: MemoryBlobs, part_seconds: float
) -> Reconciliation:
    return Reconciliation(
        ReconcileRepository(engine),
        log,
        media,
        deletion_list(engine),
        timedelta(seconds=-60),
        part_seconds=part_seconds,
    )


async def fill(engine: AsyncEngine, media: MemoryBlobs) -> tuple[list[str], list[str], str]:
    """Videos with jobs, some that only the bucket has, and a deleted one of which it has objects.

    One more is deleted and has none. Returns all of the first in order, those without a job, and
    the deleted one.
    """
    ids = sorted(new_id() for _ in range(VIDEOS))
    unknown, deleted, gone = ids[::5], ids[1], ids[2]
    for upload, video in zip(uploads("u", VIDEOS), ids, strict=True):
        if video not in unknown:
            await project(engine, msgspec.structs.replace(upload, video_id=video))
    for video in (deleted, gone):
        await project(engine, VideoDeleted(video_id=video, user_id="u", deleted_by="u"))
    for video in (*unknown, deleted, ids[3]):
        for name in ("a1/x", "a1/y"):
            await media.put(f"{video}/{name}", b"x", "video/mp4")
    return [video for video in ids if video != gone], unknown, deleted


async def test_parts_of_a_round_check_each_video_once(engine: AsyncEngine) -> None:
    log, media = Log(), MemoryBlobs()
    videos, unknown, deleted = await fill(engine, media)
    rounds = reconciliation(engine, log, media, part_seconds=0.0)
    after: str | None = ""
    found: list[Finding] = []
    parts = 0
    while after is not None:
        part = await rounds.part(False, after)
        assert part.place is None or part.place > after
        after = part.place
        found += part.findings
        parts += 1
        assert len(log.read) <= parts * 16
    assert log.read == [stream_id("transcode", video) for video in videos]
    assert parts == 7
    removed = [each.subject for each in found if each.action == "remove"]
    left = [f"{video}/{name}" for video in unknown for name in ("a1/x", "a1/y")]
    assert sorted(removed) == sorted([*left, f"{deleted}/"])


async def test_a_round_with_time_enough_has_one_part(engine: AsyncEngine) -> None:
    log, media = Log(), MemoryBlobs()
    videos, _, _ = await fill(engine, media)
    part = await reconciliation(engine, log, media, part_seconds=3600.0).part(False)
    assert part.place is None
    assert len(log.read) == len(videos)
