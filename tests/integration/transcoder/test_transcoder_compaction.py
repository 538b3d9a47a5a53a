"""A complete video's objects become one for each track; nobody who watches notices."""

import asyncio
import io
import re
from pathlib import Path

import asyncpg
from PIL import Image

from services.transcoder.coordinator.compaction import join, publish
from services.transcoder.coordinator.publisher import Publisher
from services.transcoder.handlers import state_of
from shared.blobs.s3 import S3Store, s3_client
from shared.contracts import MediaCompacted, ThumbnailsCreated, TranscodeCompleted
from shared.moved_media import note_key, read_note
from tests.integration.transcoder.clips import (
    ffmpeg,
    frames_by_dash,
    look,
    make,
    pictures_on_the_web,
)
from tests.integration.transcoder.screen import serving
from tests.integration.transcoder.slow_ffmpeg import SlowFfmpeg
from tests.integration.transcoder.stage import Processes, Studio
from tests.support.databases import Database
from tests.support.wait import eventually


async def due(database: Database, column: str) -> None:
    """Let a time come now, as soon as the planner has set one."""
    connection = await asyncpg.connect(database.admin_url)

    async def moved() -> bool:
        query = f"update transcoder.jobs set {column} = now() where {column} is not null"
        return await connection.fetchval(f"{query} returning true")

    await eventually(moved, 60)
    await connection.close()


def media(studio: Studio, video_id: str) -> set[str]:
    return {key for key in studio.keys(video_id) if key.endswith(".mp4")}


def pictures(folder: Path, playlist: str, out: Path) -> int:
    """Decode each key picture from its own bytes and the init segment alone; returns how many."""
    text = (folder / f"{playlist}.m3u8").read_text()
    assert "#EXT-X-I-FRAMES-ONLY\n" in text
    init = re.search(r'#EXT-X-MAP:URI="([^"]+)",BYTERANGE="(\d+)@0"', text)
    assert init
    whole = (folder / init[1]).read_bytes()
    ranges = re.findall(r"#EXT-X-BYTERANGE:(\d+)@(\d+)\n(\S+)", text)
    for number, (size, offset, uri) in enumerate(ranges):
        assert uri == init[1]
        alone = out / f"{playlist}-{number}.mp4"
        start = int(offset)
        alone.write_bytes(whole[: int(init[2])] + whole[start : start + int(size)])
        shown = out / f"{playlist}-{number}.png"
        ffmpeg("-i", str(alone), "-frames:v", "1", "-update", "1", str(shown))
        assert shown.stat().st_size > 1000
    return len(ranges)


async def test_one_object_for_each_track(
    processes: Processes, studio: Studio, database: Database, tmp_path: Path
) -> None:
    processes.planner()
    processes.worker()
    video_id = await studio.upload(make(tmp_path / "a.mp4", seconds=14, size="640x360", rate="10"))
    done = await studio.wait_for(video_id, "TranscodeCompleted", "TranscodeFailed")
    assert isinstance(done, TranscodeCompleted)
    grown = media(studio, video_id)
    replaced = {key: studio.get(key) for key in grown}
    before = studio.playlists(video_id)
    await due(database, "clean_at")

    compacted = await studio.wait_for(video_id, "MediaCompacted")
    assert isinstance(compacted, MediaCompacted)
    assert compacted.keep_seconds == 3600 + 14
    tracks = {each.track: each for each in compacted.objects}
    assert set(tracks) == {"360p", "240p", "audio-0"}
    keys = {each.key for each in compacted.objects}
    # Who has loaded a playlist before can still play all that it names.
    assert grown | keys == media(studio, video_id)
    for name, text in studio.playlists(video_id).items():
        if "early" in name:
            assert text == before[name]
    for each in compacted.objects:
        head = studio.head(each.key)
        assert head["ContentLength"] == each.size
        assert head["ContentType"] == ("audio/mp4" if "audio" in each.track else "video/mp4")
        assert head["CacheControl"] == "public, max-age=31536000, immutable"
    assert sum(each.size for each in compacted.objects) > done.size

    await due(database, "drop_at")
    await eventually(lambda: media(studio, video_id) == keys, 20)
    folder = studio.download(video_id, tmp_path / "out")
    assert not list((folder / "a1").glob("*-early.m3u8"))
    for key, data in replaced.items():
        # The gateway reads it for players that still ask for what is gone.
        note = read_note(studio.get(note_key(key)))
        assert note is not None
        at, size = note.pieces[key.rpartition("/")[2]]
        assert ((folder.parent / key).parent / note.whole).read_bytes()[at : at + size] == data
    for name in ("360p", "240p"):
        seen = look(folder / "a1" / f"{name}.m3u8")
        assert seen["complaints"] == ""
        assert seen["streams"][0]["nb_read_frames"] == "140"
        assert pictures(folder / "a1", f"{name}-iframes", tmp_path) == 4
    assert look(folder / "a1" / "audio-0.m3u8")["complaints"] == ""
    with serving(studio) as url:
        frames = await asyncio.to_thread(frames_by_dash, f"{url}{video_id}/manifest.mpd")
        assert frames == [140, 140]
    images = await studio.wait_for(video_id, "ThumbnailsCreated")
    assert isinstance(images, ThumbnailsCreated)
    assert images.preview_key
    preview = Image.open(io.BytesIO(studio.get(images.preview_key)))
    assert (preview.format, preview.size) == ("WEBP", (320, 180))
    assert getattr(preview, "n_frames", 1) >= 8
    master = (folder / "master.m3u8").read_text()
    assert master.count("#EXT-X-I-FRAME-STREAM-INF:") == 2
    assert look(folder / "master.m3u8", count=False)["complaints"] == ""


async def test_who_began_before_plays_to_the_end(
    processes: Processes, studio: Studio, database: Database, tmp_path: Path
) -> None:
    processes.planner()
    processes.worker(WORKER_SLOTS="1", FFMPEG=str(SlowFfmpeg(tmp_path, 4).path))
    source = make(tmp_path / "a.mkv", "-c:v", "ffv1", seconds=20, size="160x90", rate="10")
    video_id = await studio.upload(source)
    await studio.wait_for(video_id, "VideoPlayable")
    with serving(studio) as url:
        # It asks for byte ranges on connections that it keeps, and for the next one beforehand.
        playing = asyncio.create_task(
            asyncio.to_thread(pictures_on_the_web, f"{url}{video_id}/master.m3u8", pace=1.0)
        )
        await studio.wait_for(video_id, "TranscodeCompleted")
        before = await asyncio.to_thread(pictures_on_the_web, f"{url}{video_id}/master.m3u8")
        await due(database, "clean_at")
        await studio.wait_for(video_id, "MediaCompacted")
        assert not playing.done()
        after = await asyncio.to_thread(pictures_on_the_web, f"{url}{video_id}/master.m3u8")
        assert (before, after, await playing) == (200, 200, 200)


async def test_a_planner_that_dies_over_it(
    processes: Processes, studio: Studio, database: Database, tmp_path: Path
) -> None:
    planner = processes.planner()
    processes.worker()
    video_id = await studio.upload(make(tmp_path / "a.mp4", seconds=6, size="640x360", rate="10"))
    await studio.wait_for(video_id, "TranscodeCompleted")
    planner.kill()
    planner.wait()
    s3 = studio.s3
    async with s3_client(s3.endpoint, s3.region, s3.access_key, s3.secret_key) as client:
        store = S3Store(client, s3.media)
        state = await state_of(studio.store, video_id)
        # One planner dies in the middle of joining, the next one before it could tell the log.
        await store.start_multipart(f"{video_id}/a1/360p/all-half.mp4", "video/mp4")
        event = await join(store, video_id, state)
        assert event is not None
        event = await publish(Publisher(store), video_id, state, event)
        keys = {each.key for each in event.objects}
        when = {key: studio.head(key)["LastModified"] for key in keys}

        processes.planner()
        await due(database, "clean_at")
        told = await studio.wait_for(video_id, "MediaCompacted")
        assert told == event
        assert {key: studio.head(key)["LastModified"] for key in keys} == when, "joined twice"
        await due(database, "drop_at")
        await eventually(lambda: media(studio, video_id) == keys, 20)
        await eventually(lambda: nothing_begun(store), 20)
    assert (await studio.types(video_id)).count("MediaCompacted") == 1
    folder = studio.download(video_id, tmp_path / "out") / "a1"
    assert look(folder / "360p.m3u8")["streams"][0]["nb_read_frames"] == "60"


async def nothing_begun(store: S3Store) -> bool:
    return [upload async for upload in store.unfinished()] == []
