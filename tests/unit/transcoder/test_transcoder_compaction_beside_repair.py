"""A video is compacted while lost objects of it are made again under other names."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from services.transcoder.coordinator.compaction import Compactor
from services.transcoder.coordinator.media_objects import planned_joins, referenced
from services.transcoder.coordinator.publisher import Publisher
from services.transcoder.domain.decisions import RecordEvent, decide
from services.transcoder.domain.state import Transcode, media_keys
from services.transcoder.handlers import record, state_of
from services.transcoder.jobs.jobs import JobRecord
from services.transcoder.planning.plan import video_tasks
from shared.blobs.store import Piece
from shared.contracts import (
    ChunkEncoded,
    CompactedTrack,
    Event,
    MediaCompacted,
    MediaLost,
    MediaRestored,
)
from shared.event_store.memory import MemoryEventStore
from shared.loops.items import ItemMetrics
from tests.support.memory_blobs import MemoryBlobs
from tests.unit.transcoder.facts_about import (
    COMPLETED,
    IMAGES,
    after,
    audio_encoded,
    chunk_encoded,
    plan,
)

PLAN = plan(8.0)
MADE: tuple[Event, ...] = (
    PLAN,
    chunk_encoded(PLAN, 0, "240p"),
    chunk_encoded(PLAN, 0, "360p"),
    *(chunk_encoded(PLAN, chunk.index, "360p", "240p") for chunk in PLAN.chunks[1:]),
    audio_encoded(0, 2, complete=True),
    IMAGES,
    COMPLETED,
)


def encoded_again(event: ChunkEncoded) -> ChunkEncoded:
    """With other bytes, and so under other names."""
    tracks = tuple(
        msgspec.structs.replace(track, key=f"v/a1/{track.name}/again.mp4") for track in event.tracks
    )
    return msgspec.structs.replace(event, tracks=tracks)


LAST = chunk_encoded(PLAN, PLAN.chunks[-1].index, "360p", "240p")
LOST = tuple(task.name for task in video_tasks(PLAN) if task.chunk == LAST.chunk)
REPAIR: tuple[Event, ...] = (
    MediaLost(video_id="v", attempt=1, keys=("a",), tasks=LOST),
    encoded_again(LAST),
    MediaRestored(video_id="v", attempt=1),
)


class Bucket(MemoryBlobs):
    """Calls something once, before the first object of a kind is written."""

    def __init__(self) -> None:
        super().__init__()
        self.before: tuple[str, Callable[[], Awaitable[None]]] | None = None

    async def put(
        self, key: str, data: bytes, content_type: str, cache_control: str | None = None
    ) -> str:
        if self.before is not None and key.endswith(self.before[0]):
            (_, begin), self.before = self.before, None
            await begin()
        return await super().put(key, data, content_type, cache_control)

    async def join(
        self,
        key: str,
        pieces: Sequence[Piece],
        content_type: str,
        cache_control: str | None = None,
    ) -> str:
        return await self.put(key, b"x" * sum(piece.size for piece in pieces), content_type)


class Jobs:
    """One video, due until it is compacted."""

    def __init__(self) -> None:
        self.due = True
        self.put_off = 0

    async def to_compact(self, _limit: int, _without: Sequence[str]) -> list[JobRecord]:
        return [JobRecord("v", "u", 1, "completed", 1, None, None)] if self.due else []

    async def to_drop(self, _limit: int, _without: Sequence[str]) -> list[JobRecord]:
        return []

    async def compact_later(self, _job: JobRecord, _seconds: float) -> None:
        self.put_off += 1

    async def compacted(self, _job: JobRecord) -> None:
        self.due = False


@pytest.mark.parametrize("while_written", [".mp4", ".m3u8", ".mpd"])
async def test_playlists_name_what_the_log_has(while_written: str) -> None:
    log, media, jobs = MemoryEventStore(), Bucket(), Jobs()
    for event in MADE:
        await record(log, "v", event, None)

    async def repair() -> None:
        for event in REPAIR:
            assert (await record(log, "v", event, None)).events

    media.before = while_written, repair
    metrics = ItemMetrics(CollectorRegistry())
    nothing = cast(Any, None)
    compactor = Compactor(cast(Any, jobs), log, media, Publisher(media), nothing, metrics=metrics)
    await compactor.step()
    assert (jobs.due, jobs.put_off) == (True, 1)
    if while_written == ".mp4":
        # What is known to be replaced is not shown to anybody.
        assert not await media.exists("v/a1/360p.m3u8")
    await only_names_of_the_log(log, media)
    await compactor.step()
    assert (jobs.due, jobs.put_off) == (False, 1)
    await only_names_of_the_log(log, media)
    assert b"all-" in await media.read("v/a1/360p.m3u8")
    state = await state_of(log, "v")
    assert {key.rpartition("/")[2][:4] for key in media_keys(state)} == {"all-"}


async def only_names_of_the_log(log: MemoryEventStore, media: Bucket) -> None:
    """All media that playlists and manifest name belong to the video."""
    kept = {key.rpartition("/")[2] for key in referenced("v", await state_of(log, "v"))}
    async for blob in media.list("v/"):
        if blob.key.endswith((".m3u8", ".mpd")):
            text = (await media.read(blob.key)).decode()
            assert set(re.findall(r"[\w-]+\.mp4", text)) <= kept, blob.key


def joined(state: Transcode) -> MediaCompacted:
    objects = tuple(
        CompactedTrack(track=whole.track, key=whole.key, size=whole.size)
        for whole, _ in planned_joins(state)
    )
    return MediaCompacted(video_id="v", attempt=1, objects=objects, keep_seconds=1)


def test_a_join_of_replaced_objects_is_refused_although_the_sound_is_right() -> None:
    event = joined(after(*MADE))
    assert decide(after(*MADE), RecordEvent(event)) == (event,)
    assert decide(after(*MADE, *REPAIR), RecordEvent(event)) == ()
    assert decide(after(*MADE, event), RecordEvent(event)) == ()
