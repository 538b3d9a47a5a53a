"""Objects are listed before they are deleted, and the log is asked again at their time."""

from collections.abc import AsyncIterator

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.coordinator.deleting import Deleter
from services.transcoder.coordinator.metrics import CoordinatorMetrics
from services.transcoder.coordinator.sweeping import sweep
from services.transcoder.handlers import record, retry
from services.transcoder.jobs.jobs import JobRecord
from shared.blobs.s3 import S3Store, s3_client
from shared.contracts import Event, TranscodeFailed, TranscodeRetried, VideoDeleted
from tests.integration.transcoder.stage import Studio
from tests.integration.transcoder.task_table import deletion_list, project, uploads
from tests.unit.transcoder.facts_about import (
    COMPLETED,
    IMAGES,
    audio_encoded,
    chunk_encoded,
    plan,
)

FAILED = TranscodeFailed(video_id="v", attempt=1, code="c", reason="r")
RETRIED = TranscodeRetried(video_id="v", attempt=2, requested_by="u")
JOB = JobRecord("v", "u", 1, "failed", 0, None, None)
PLAN = plan()
MADE: list[Event] = [
    PLAN,
    chunk_encoded(PLAN, 0, "240p"),
    chunk_encoded(PLAN, 0, "360p"),
    *(chunk_encoded(PLAN, chunk.index, "360p", "240p") for chunk in PLAN.chunks[1:]),
    audio_encoded(0, 5, complete=True),
    IMAGES,
    COMPLETED,
]


class Bench:
    """A bucket, the list of deletions with entries that are due at once, and the deleter."""

    def __init__(self, engine: AsyncEngine, studio: Studio, client: object) -> None:
        self.engine = engine
        self.studio = studio
        self.media = S3Store(client, studio.s3.media)
        self.list = deletion_list(engine)
        self.busy: str | None = None
        metrics = CoordinatorMetrics(engine, CollectorRegistry())
        self.deleter = Deleter(self.list, studio.store, self.media, metrics, busy=lambda: self.busy)

    async def put(self, *keys: str) -> None:
        for key in keys:
            await self.media.put(key, b"#EXTM3U", "application/vnd.apple.mpegurl")

    async def sweep(self, job: JobRecord = JOB) -> None:
        await sweep(self.studio.store, self.media, self.list, job)

    async def record(self, *events: Event) -> None:
        for event in events:
            if isinstance(event, TranscodeRetried):
                await retry(self.studio.store, "v", "u")
            else:
                await record(self.studio.store, "v", event, None)

    async def listed(self) -> set[str]:
        return await self.list.listed("v")

    async def execute(self, statement: str) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text(statement))


@pytest.fixture
async def bench(engine: AsyncEngine, studio: Studio) -> AsyncIterator[Bench]:
    s3 = studio.s3
    async with s3_client(s3.endpoint, s3.region, s3.access_key, s3.secret_key) as client:
        yield Bench(engine, studio, client)


async def test_the_playlist_of_a_retry_survives_the_sweep_of_the_attempt_before(
    bench: Bench,
) -> None:
    await bench.put("v/master.m3u8")
    await bench.record(plan(), FAILED, RETRIED)
    await bench.sweep()
    assert await bench.listed() == set()


async def test_a_failed_attempt_is_listed_and_deleted_at_its_time(bench: Bench) -> None:
    await bench.put("v/master.m3u8", "v/a1/240p.m3u8", "v/a2/240p.m3u8")
    await bench.record(plan(), FAILED)
    await bench.sweep()
    assert await bench.listed() == {"v/master.m3u8", "v/manifest.mpd", "v/a1/"}
    await bench.execute("update transcoder.deletions set due_at = now() + interval '1 hour'")
    await bench.deleter.round()
    assert len(bench.studio.keys()) == 3
    await bench.execute("update transcoder.deletions set due_at = now(), held = key = 'v/a1/'")
    await bench.deleter.round()
    assert bench.studio.keys() == ["v/a1/240p.m3u8", "v/a2/240p.m3u8"]
    await bench.execute("update transcoder.deletions set held = false")
    await bench.deleter.round()
    assert bench.studio.keys() == ["v/a2/240p.m3u8"]
    assert await bench.listed() == set()


async def test_what_a_later_attempt_needs_is_withdrawn_from_the_list(bench: Bench) -> None:
    await bench.put("v/master.m3u8", "v/a1/old.mp4")
    await bench.record(plan(), FAILED)
    await bench.sweep()
    await bench.record(RETRIED)
    await bench.deleter.round()
    assert len(bench.studio.keys()) == 2, "nothing is deleted while an attempt is under way"
    again: list[Event] = [msgspec.structs.replace(event, attempt=2) for event in MADE]  # pyright: ignore[reportCallIssue]
    await bench.record(*again)
    await bench.execute("update transcoder.deletions set due_at = now()")
    await bench.deleter.round()
    assert await bench.listed() == set()
    assert bench.studio.keys() == ["v/master.m3u8"]


async def test_whatever_is_listed_a_completed_attempts_objects_stay(bench: Bench) -> None:
    keys = ["v/master.m3u8", "v/a1/240p/00000.mp4", "v/a1/poster.webp", "v/a1/stray.mp4"]
    await bench.put(*keys)
    await bench.record(*MADE)
    await bench.list.add("v", keys, "unused")
    await bench.list.add("v", ["v/"], "deleted")
    bench.busy = "v"
    await bench.deleter.round()
    assert len(await bench.listed()) == 5
    bench.busy = None
    await bench.deleter.round()
    assert bench.studio.keys() == sorted(set(keys) - {"v/a1/stray.mp4"})
    assert await bench.listed() == set()


async def test_all_objects_of_a_deleted_video_go_with_one_entry(bench: Bench) -> None:
    await bench.put("v/master.m3u8", "v/a1/240p/00000.mp4")
    await bench.record(*MADE)
    deleted = VideoDeleted(video_id="v", user_id="u", deleted_by="u")
    await bench.studio.append("video", "v", deleted)
    await bench.sweep(msgspec.structs.replace(JOB, state="deleted"))
    assert await bench.listed() == {"v/"}
    # It covers what others find.
    assert await bench.list.add("v", ["v/master.m3u8"], "unused") == []
    await bench.deleter.round()
    assert bench.studio.keys() == []


async def test_replaced_objects_wait_while_a_new_compaction_gives_players_time(
    bench: Bench,
) -> None:
    await project(bench.engine, *uploads("v", 1))
    await bench.execute("update transcoder.jobs set video_id = 'v', drop_at = now()")
    await bench.put("v/a1/stray.mp4")
    await bench.record(*MADE)
    await bench.list.add("v", ["v/a1/stray.mp4"], "replaced")
    await bench.deleter.round()
    assert bench.studio.keys()
    await bench.execute("update transcoder.jobs set drop_at = null")
    await bench.deleter.round()
    assert bench.studio.keys() == []


async def test_objects_of_nobody_are_deleted_and_those_of_an_upload_are_not(
    bench: Bench,
) -> None:
    await bench.put("nobody/x.mp4", "v-0/x.mp4")
    await bench.studio.append("upload", "v-0", uploads("v", 1)[0])
    for video_id in ("nobody", "v-0"):
        await bench.list.add(video_id, [f"{video_id}/x.mp4"], "unused")
    await bench.deleter.round()
    assert bench.studio.keys() == ["v-0/x.mp4"]


async def test_objects_of_a_live_session_stay_until_its_video_is_deleted(bench: Bench) -> None:
    key = "v/live/1/720p/0-0a1b2c3d.m4s"
    await bench.put(key)
    await bench.list.add("v", [key], "unused")
    await bench.deleter.round()
    assert bench.studio.keys() == [key]
    deleted = VideoDeleted(video_id="v", user_id="u", deleted_by="u")
    await bench.studio.append("video", "v", deleted)
    await bench.list.add("v", ["v/"], "deleted")
    await bench.deleter.round()
    assert bench.studio.keys() == []
