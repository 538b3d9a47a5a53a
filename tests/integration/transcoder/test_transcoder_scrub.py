"""Objects whose bytes have changed are found by reading them, and are made again."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.coordinator.media_checks import media_checks
from services.transcoder.handlers import load_state
from shared.contracts import MediaLost
from tests.integration.transcoder.finished import completed
from tests.integration.transcoder.scrub_bench import Bench, bench_at
from tests.integration.transcoder.stage import Processes, Studio
from tests.integration.transcoder.test_transcoder_compaction import due
from tests.support.databases import Database
from tests.support.wait import eventually


@pytest.fixture
async def bench(engine: AsyncEngine, studio: Studio) -> AsyncIterator[Bench]:
    async with bench_at(studio.s3.endpoint, engine, studio) as made:
        yield made


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
    video_id = await completed(processes, studio.s3, database, tmp_path, compacted=compacted)
    if not compacted:
        await never_compact(database)
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


async def test_the_pieces_of_an_object_are_one_reading(bench: Bench, database: Database) -> None:
    hour = timedelta(hours=1)
    for _ in range(3):
        assert await bench.repository.suspect("v", "v/a1/all.mp4", hour) == 1
    connection = await asyncpg.connect(database.admin_url)
    await connection.execute("update transcoder.suspect_objects set due_at = now()")
    await connection.close()
    assert await bench.repository.suspect("v", "v/a1/all.mp4", hour) == 2
