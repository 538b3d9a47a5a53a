"""Objects whose bytes have changed are found by reading them, and are made again."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.coordinator.media_checks import media_checks
from services.transcoder.coordinator.metrics import CoordinatorMetrics
from services.transcoder.coordinator.scrub_loop import ScrubLoop, ScrubPlan
from services.transcoder.coordinator.scrub_reading import Pace
from services.transcoder.coordinator.scrub_repository import ScrubRepository
from services.transcoder.coordinator.scrubbing import Scrubber
from services.transcoder.handlers import load_state
from shared.blobs.s3 import S3Store, s3_client
from shared.blobs.store import BlobStoreUnavailable
from shared.contracts import MediaLost, VideoDeleted
from shared.loops.cancellation import end
from tests.integration.transcoder.clips import make
from tests.integration.transcoder.stage import Processes, Studio
from tests.integration.transcoder.test_transcoder_compaction import due
from tests.support.buckets import Buckets
from tests.support.databases import Database
from tests.support.wait import eventually
from tests.support.wrong_s3 import WrongS3


class Bench:
    """A scrub of its own, beside the processes, on the same tables and buckets."""

    def __init__(self, engine: AsyncEngine, studio: Studio, client: object, s3: Buckets) -> None:
        self.registry = CollectorRegistry()
        metrics = CoordinatorMetrics(engine, self.registry)
        self.media = S3Store(client, s3.media)
        self.repository = ScrubRepository(engine)
        self.sources = S3Store(client, s3.sources)
        self.scrubber = Scrubber(
            self.repository, studio.store, self.media, self.sources, metrics.scrub
        )
        plan = ScrubPlan(1 << 30, timedelta(0), again=timedelta(0))
        self.loop = ScrubLoop(self.scrubber, self.repository, plan, metrics)

    async def again(self, rounds: int) -> None:
        """So many rounds of the loop."""
        for _ in range(rounds):
            await self.loop.round()

    async def cut(self, key: str) -> None:
        """Leave half of an object."""
        data = await self.media.read(key)
        await self.media.put(key, data[: len(data) // 2], "application/octet-stream")

    async def flip(self, key: str) -> None:
        """Change one bit in the middle of an object; its size stays."""
        data = bytearray(await self.media.read(key))
        data[len(data) // 2] ^= 1
        await self.media.put(key, bytes(data), "application/octet-stream")

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"cinelog_scrub_{name}", labels) or 0.0


@asynccontextmanager
async def bench_at(endpoint: str, engine: AsyncEngine, studio: Studio) -> AsyncIterator[Bench]:
    s3 = studio.s3
    async with s3_client(endpoint, s3.region, s3.access_key, s3.secret_key) as client:
        yield Bench(engine, studio, client, s3)


@pytest.fixture
async def bench(engine: AsyncEngine, studio: Studio) -> AsyncIterator[Bench]:
    async with bench_at(studio.s3.endpoint, engine, studio) as made:
        yield made


async def completed(
    processes: Processes, studio: Studio, database: Database, folder: Path, *, compacted: bool
) -> str:
    """A completed video whose source has a SHA-256. The processes do not scrub."""
    processes.env["SCRUB_BYTES_PER_SECOND"] = "0"
    processes.planner()
    processes.worker()
    path = make(folder / "a.mp4", seconds=6)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    video_id = await studio.upload(path, sha256=sha256)
    await studio.wait_for(video_id, "TranscodeCompleted")
    if compacted:
        await due(database, "clean_at")
        await studio.wait_for(video_id, "MediaCompacted")
    else:
        await never_compact(database)
    return video_id


async def never_compact(database: Database) -> None:
    connection = await asyncpg.connect(database.admin_url)

    async def postponed() -> bool:
        return await connection.fetchval(
            "update transcoder.jobs set compact_at = now() + interval '1 day'"
            " where compact_at is not null returning true"
        )

    await eventually(postponed, 30)
    await connection.close()


async def is_sound(bench: Bench, video_id: str) -> bool:
    found = await bench.scrubber.scrub(video_id, dry_run=True)
    return found is not None and not found.findings


@pytest.mark.parametrize("compacted", [False, True])
async def test_flipped_cut_and_emptied_objects_are_made_again(
    processes: Processes,
    studio: Studio,
    bench: Bench,
    database: Database,
    tmp_path: Path,
    compacted: bool,
) -> None:
    video_id = await completed(processes, studio, database, tmp_path, compacted=compacted)
    whole = await bench.scrubber.scrub(video_id, dry_run=False)
    assert whole is not None
    assert (whole.unknown, whole.findings) == (0, ())
    state, _ = await load_state(studio.store, video_id)
    assert state.images is not None
    checks = media_checks(video_id, state)
    segments = next(check.key for check in checks if "/240p/" in check.key and check.start == 0)
    sound = next(check.key for check in checks if "/audio-0/" in check.key)
    await bench.flip(segments)
    await bench.flip(state.images.poster_key)
    await bench.cut(sound)
    await bench.cut(f"{video_id}/manifest.mpd")
    await bench.media.put(f"{video_id}/master.m3u8", b"", "application/vnd.apple.mpegurl")

    await bench.again(4)
    lost = await studio.wait_for(video_id, "MediaLost", timeout=5)
    assert isinstance(lost, MediaLost)
    damaged = {
        *(segments, sound, state.images.poster_key),
        *(f"{video_id}/master.m3u8", f"{video_id}/manifest.mpd"),
    }
    assert set(lost.keys) == damaged
    await studio.wait_for(video_id, "MediaRestored")
    await eventually(lambda: is_sound(bench, video_id), 60)
    assert bench.value("damaged_total", outcome="remade") == len(damaged)
    # What was made again is compacted again, with the right bytes.
    await due(database, "clean_at")
    await eventually(lambda: is_compacted(studio, video_id), 60)
    assert await is_sound(bench, video_id)


async def is_compacted(studio: Studio, video_id: str) -> bool:
    types = await studio.types(video_id)
    return "MediaCompacted" in types[types.index("MediaRestored") :]


async def test_one_wrong_answer_of_the_storage_is_not_believed(
    processes: Processes,
    studio: Studio,
    engine: AsyncEngine,
    database: Database,
    tmp_path: Path,
) -> None:
    video_id = await completed(processes, studio, database, tmp_path, compacted=True)
    with WrongS3(studio.s3.endpoint, 1.0, ["flipped"]).running() as wrong:
        async with bench_at(wrong.url, engine, studio) as bench:
            await bench.loop.round()
            assert bench.value("checks_total", verdict="damaged") > 0
            assert await suspects(database)
            wrong.share = 0.0
            await bench.again(3)
            assert await suspects(database) == []
            assert bench.value("damaged_total", outcome="remade") == 0
    assert "MediaLost" not in await studio.types(video_id)


async def test_nothing_is_believed_of_a_storage_that_sends_nothing(
    processes: Processes,
    studio: Studio,
    engine: AsyncEngine,
    database: Database,
    tmp_path: Path,
) -> None:
    video_id = await completed(processes, studio, database, tmp_path, compacted=True)
    with WrongS3(studio.s3.endpoint, 0.0, ["500"]).running() as wrong:
        async with bench_at(wrong.url, engine, studio) as bench:
            await bench.again(1)
            wrong.share = 1.0
            found = next(
                iter(media_checks(video_id, (await load_state(studio.store, video_id))[0]))
            )
            with pytest.raises(BlobStoreUnavailable):
                await bench.scrubber.read(found, Pace())
    assert await suspects(database) == []


async def test_a_damaged_source_is_reported_and_counted_until_it_is_restored(
    processes: Processes,
    studio: Studio,
    bench: Bench,
    database: Database,
    tmp_path: Path,
) -> None:
    video_id = await completed(processes, studio, database, tmp_path, compacted=True)
    key = f"{video_id}/source"
    right = await bench.sources.read(key)
    await bench.sources.put(key, right[:-1] + bytes([right[-1] ^ 1]), "video/mp4")
    await bench.again(4)
    assert bench.value("irreparable") == 1
    assert bench.value("damaged_total", outcome="lost") == 1
    found = await bench.scrubber.scrub(video_id, dry_run=False)
    assert found is not None
    assert [(each.action, each.subject) for each in found.findings] == [("damaged", key)]
    assert bench.value("damaged_total", outcome="lost") == 1
    assert "MediaLost" not in await studio.types(video_id)
    await bench.sources.put(key, right, "video/mp4")
    assert await bench.scrubber.scrub(video_id, dry_run=False)
    await bench.loop.round()
    assert bench.value("irreparable") == 0


async def test_a_scrub_leaves_deleted_videos_and_newer_versions_alone(
    processes: Processes,
    studio: Studio,
    bench: Bench,
    database: Database,
    tmp_path: Path,
) -> None:
    video_id = await completed(processes, studio, database, tmp_path, compacted=True)
    state, version = await load_state(studio.store, video_id)
    assert state.images is not None
    poster = state.images.poster_key
    await bench.flip(poster)
    keys = studio.keys()
    assert await bench.scrubber.settle(video_id, [poster], version - 1) == []
    deleted = VideoDeleted(video_id=video_id, user_id="user-1", deleted_by="user-1")
    await studio.append("video", video_id, deleted)
    assert await bench.scrubber.settle(video_id, [poster], version) == []
    assert await bench.scrubber.scrub(video_id, dry_run=False) is None
    assert "MediaLost" not in await studio.types(video_id)
    assert keys


async def test_a_restarted_scrub_goes_on_where_the_last_one_stopped(
    processes: Processes,
    studio: Studio,
    bench: Bench,
    engine: AsyncEngine,
    database: Database,
    tmp_path: Path,
) -> None:
    video_id = await completed(processes, studio, database, tmp_path, compacted=True)
    state, _ = await load_state(studio.store, video_id)
    checks = len(media_checks(video_id, state)) + 1
    metrics = CoordinatorMetrics(engine, CollectorRegistry())
    slow = ScrubLoop(bench.scrubber, bench.repository, ScrubPlan(2000, timedelta(days=7)), metrics)
    going = asyncio.create_task(slow.round())
    await eventually(lambda: place(database), 30)
    await end((going,))
    before = bench.value("checks_total", verdict="sound")
    assert 0 < before < checks
    fast = ScrubLoop(
        bench.scrubber, bench.repository, ScrubPlan(1 << 30, timedelta(days=7)), metrics
    )
    await fast.round()
    after = bench.value("checks_total", verdict="sound")
    # One check may have been under way.
    assert after in (checks, checks + 1)
    assert await place(database) is None
    await fast.round()
    assert bench.value("checks_total", verdict="sound") == after, "its next scrub is in a week"


async def test_the_pieces_of_an_object_are_one_reading(bench: Bench, database: Database) -> None:
    hour = timedelta(hours=1)
    for _ in range(3):
        assert await bench.repository.suspect("v", "v/a1/all.mp4", hour) == 1
    connection = await asyncpg.connect(database.admin_url)
    await connection.execute("update transcoder.suspect_objects set due_at = now()")
    await connection.close()
    assert await bench.repository.suspect("v", "v/a1/all.mp4", hour) == 2


async def place(database: Database) -> str | None:
    connection = await asyncpg.connect(database.admin_url)
    found = await connection.fetchval("select place from transcoder.scrubs")
    await connection.close()
    return found


async def suspects(database: Database) -> list[str]:
    connection = await asyncpg.connect(database.admin_url)
    rows = await connection.fetch("select key from transcoder.suspect_objects")
    await connection.close()
    return [row["key"] for row in rows]
