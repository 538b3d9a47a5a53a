"""What a scrub believes, reports and leaves alone; where it goes on."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import asyncpg
import msgspec
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.parts import Urls
from services.transcoder.coordinator import scrub_loop, scrub_reading, unfinished_readings
from services.transcoder.coordinator.media_checks import Check, media_checks
from services.transcoder.coordinator.metrics import CoordinatorMetrics
from services.transcoder.coordinator.scrub_loop import ScrubLoop, ScrubPlan
from services.transcoder.coordinator.scrub_reading import Pace, Verdict, read_check
from services.transcoder.coordinator.scrubbing import Scrubbable
from services.transcoder.handlers import load_state
from shared.blobs.store import BlobStoreUnavailable
from shared.contracts import MediaLost, VideoDeleted
from shared.loops.cancellation import end
from tests.integration.transcoder.finished import Finished, finished_video
from tests.integration.transcoder.scrub_bench import Bench, bench_at
from tests.integration.transcoder.stage import Studio
from tests.support.buckets import Buckets, own_buckets
from tests.support.databases import Database, copy_of
from tests.support.wait import eventually
from tests.support.wrong_s3 import WrongS3


@pytest.fixture(scope="module")
def finished(
    parts: Urls, database_template: str, s3_models: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Finished]:
    folder = tmp_path_factory.mktemp("finished")
    with finished_video(parts, database_template, folder) as made:
        yield made


@pytest.fixture
def database(parts: Urls, finished: Finished) -> Iterator[Database]:
    """A database that knows the finished video."""
    with copy_of(parts.postgres, finished.database) as own:
        yield own


@pytest.fixture
def s3(parts: Urls, finished: Finished) -> Iterator[Buckets]:
    """Two buckets with the finished video's objects."""
    with own_buckets(parts) as own:
        finished.put_into(own)
        yield own


@pytest.fixture
async def bench(engine: AsyncEngine, studio: Studio) -> AsyncIterator[Bench]:
    async with bench_at(studio.s3.endpoint, engine, studio) as made:
        yield made


async def test_one_wrong_answer_of_the_storage_is_not_believed(
    studio: Studio,
    engine: AsyncEngine,
    database: Database,
    finished: Finished,
) -> None:
    video_id = finished.video_id
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
    studio: Studio,
    engine: AsyncEngine,
    database: Database,
    finished: Finished,
) -> None:
    video_id = finished.video_id
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
    studio: Studio,
    bench: Bench,
    database: Database,
    finished: Finished,
) -> None:
    video_id = finished.video_id
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
    studio: Studio,
    bench: Bench,
    database: Database,
    finished: Finished,
) -> None:
    video_id = finished.video_id
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


async def test_a_video_that_changes_meanwhile_is_looked_at_again(
    studio: Studio, bench: Bench, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its objects were joined while they were read, and one of them is damaged."""
    video_id = finished.video_id
    state, _ = await load_state(studio.store, video_id)
    assert state.images is not None
    await bench.flip(state.images.poster_key)
    checks, changes = bench.scrubber.checks, 1

    async def before_a_change(video_id: str) -> Scrubbable | None:
        nonlocal changes
        found = await checks(video_id)
        assert found is not None
        changes -= 1
        return found if changes < 0 else msgspec.structs.replace(found, version=found.version - 1)

    monkeypatch.setattr(bench.scrubber, "checks", before_a_change)
    found = await bench.scrubber.scrub(video_id, dry_run=True)
    assert found is not None
    assert [each.subject for each in found.findings] == [state.images.poster_key]


async def test_a_restarted_scrub_goes_on_where_the_last_one_stopped(
    studio: Studio,
    bench: Bench,
    engine: AsyncEngine,
    database: Database,
    finished: Finished,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scrub_loop, "_NOTE_SECONDS", 0.0)
    video_id = finished.video_id
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


async def test_the_place_is_noted_from_time_to_time(
    studio: Studio, bench: Bench, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, _ = await load_state(studio.store, finished.video_id)
    checks = len(media_checks(finished.video_id, state)) + 1
    monkeypatch.setattr(scrub_loop, "_NOTE_SECONDS", 3600.0)
    places: list[str] = []
    reached = bench.repository.reached

    async def noted(video_id: str, version: int, place: str) -> None:
        places.append(place)
        await reached(video_id, version, place)

    monkeypatch.setattr(bench.repository, "reached", noted)
    await bench.loop.round()
    assert bench.value("checks_total", verdict="sound") == checks
    assert places == []


async def test_a_suspected_object_of_many_parts_is_read_over_several_rounds(
    studio: Studio, bench: Bench, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    video_id = finished.video_id
    state, _ = await load_state(studio.store, video_id)
    keys = [check.key for check in media_checks(video_id, state)]
    key = max(keys, key=keys.count)
    parts = keys.count(key)
    assert parts > 1
    await bench.flip(key)
    await bench.loop.round()
    # From now on it is always late: a round reads one part.
    monkeypatch.setattr(scrub_loop, "_ROUND_SECONDS", 0.0)
    for _ in range(3 * parts):
        before = bench.checks
        await bench.loop.round()
        assert bench.checks - before <= 1
        if "MediaLost" in await studio.types(video_id):
            return
    pytest.fail("the readings came to no end")


@pytest.mark.parametrize("name", ["master.m3u8", "manifest.mpd", "a1/240p.m3u8"])
async def test_a_playlist_whose_hash_an_older_version_did_not_note_is_compared_too(
    studio: Studio, bench: Bench, database: Database, finished: Finished, name: str
) -> None:
    video_id = finished.video_id
    connection = await asyncpg.connect(database.admin_url)
    async with connection.transaction():
        await connection.execute("set local session_replication_role = replica")
        await connection.execute("update log.events set data = data - 'playlists'")
    await connection.close()
    assert not (await load_state(studio.store, video_id))[0].playlists
    await bench.again(4)
    assert bench.value("checks_total", verdict="unknown") == 0
    assert "MediaLost" not in await studio.types(video_id)
    await bench.flip(f"{video_id}/{name}")
    await bench.again(4)
    lost = await studio.wait_for(video_id, "MediaLost", timeout=5)
    assert isinstance(lost, MediaLost)
    assert lost.keys == (f"{video_id}/{name}",)
    assert lost.tasks == ()


async def test_a_large_object_is_read_on_where_the_last_reading_stopped(bench: Bench) -> None:
    key, data = "v/a1/large.mp4", random.Random(1).randbytes((17 << 20) + 5)
    await bench.media.put(key, data, "video/mp4")
    check = Check(key, 0, None, hashlib.sha256(data).hexdigest())
    pace = Pace()

    async def read() -> Verdict:
        # Another process each time, and it is late already.
        return await read_check(bench.media, check, pace, bench.repository.unfinished("v", 0.0))

    assert [await read() for _ in range(3)] == ["unfinished", "unfinished", "sound"]
    assert pace.read == len(data)
    # The next one begins at the beginning, and what is wrong in any part of it shows.
    assert await read() == "unfinished"
    await bench.media.put(key, data[:-1] + bytes([data[-1] ^ 1]), "video/mp4")
    assert [await read() for _ in range(3)] == ["unfinished", "unfinished", "damaged"]
    assert [await read() for _ in range(3)] == ["unfinished", "unfinished", "damaged"]


async def test_a_process_that_ends_leaves_a_note_of_how_far_it_was(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unfinished_readings, "_NOTE_BYTES", 8 << 20)
    key, data = "v/a1/large.mp4", random.Random(1).randbytes((17 << 20) + 5)
    await bench.media.put(key, data, "video/mp4")
    check = Check(key, 0, None, hashlib.sha256(data).hexdigest())
    blocks: list[int] = []

    def ends() -> None:
        blocks.append(1)
        if len(blocks) == 3:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await read_check(bench.media, check, Pace(advanced=ends), bench.repository.unfinished("v"))
    pace = Pace()
    readings = bench.repository.unfinished("v")
    assert await read_check(bench.media, check, pace, readings) == "sound"
    assert pace.read == len(data) - (16 << 20)


async def test_a_scrub_in_short_rounds_reads_each_byte_once(
    bench: Bench, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.loop.round()
    whole = bench.value("bytes_total")
    monkeypatch.setattr(scrub_reading, "_BLOCK", 32 << 10)
    monkeypatch.setattr(scrub_reading, "_LEAST_BLOCK", 32 << 10)
    readings = bench.repository.unfinished
    # It is late after each block.
    monkeypatch.setattr(
        bench.repository, "unfinished", lambda video_id, _until=0.0: readings(video_id, 0.0)
    )
    stopped = 0
    while bench.value("bytes_total") < 2 * whole:
        await bench.loop.round()
        stopped += await unfinished(database)
    assert stopped > 0
    assert await place(database) is None
    assert await unfinished(database) == 0
    assert bench.value("bytes_total") == 2 * whole
    assert bench.value("checks_total", verdict="damaged") == 0


async def unfinished(database: Database) -> int:
    connection = await asyncpg.connect(database.admin_url)
    found = await connection.fetchval("select count(*) from transcoder.unfinished_readings")
    await connection.close()
    return found


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
