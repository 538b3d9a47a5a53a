"""How soon a long 1080p source plays: one that is shown as it is, and one that must be encoded."""

import asyncio
import statistics
import subprocess
from pathlib import Path

import msgspec

from services.transcoder import handlers
from shared.contracts import TranscodePlanned, VideoPlayable, VideoUploaded, new_id
from shared.event_store.postgres import open_event_store
from shared.programs.finding import find_ffmpeg
from tests.integration.transcoder.stage import Processes, Studio, connections
from tests.support.brokers import Broker
from tests.support.buckets import Buckets
from tests.support.databases import Database
from tests.support.wait import eventually

_CLIP_SECONDS = 20


class LongWait(msgspec.Struct, frozen=True):
    """Seconds from VideoUploaded to VideoPlayable, by the log's clock, one for each upload."""

    megabytes: float
    passthrough: bool
    playable: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.playable)


def long_film(folder: Path, clip: Path, minutes: int, *, fit: bool) -> Path:
    """Real footage at 1080p, as long as asked for; key frames every 2 s, or every 10 s, which is
    too seldom to be shown as it is."""
    short = folder / f"clip-{fit}.mp4"
    gop = 50 if fit else 250
    _run(
        *("-stream_loop", "-1", "-i", str(clip), "-t", str(_CLIP_SECONDS)),
        *("-vf", "scale=1920:1080:flags=bicubic,setsar=1", "-pix_fmt", "yuv420p"),
        *("-preset", "veryfast", "-b:v", "2500k", "-maxrate", "4M", "-bufsize", "4M"),
        *("-g", str(gop), "-keyint_min", str(gop), "-sc_threshold", "0", "-bf", "2"),
        *("-c:a", "aac", "-ac", "2", str(short)),
    )
    target = folder / f"film-{minutes}-{fit}.mp4"
    repeats = minutes * 60 // _CLIP_SECONDS - 1
    _run("-stream_loop", str(repeats), "-i", str(short), "-c", "copy", str(target))
    return target


async def waits(
    source: Path, times: int, database: Database, broker: Broker, s3: Buckets, folder: Path
) -> LongWait:
    """Upload once; then tell of it some times, one after the other, to two workers."""
    processes = Processes(connections(database, broker, s3, folder), folder)
    client = s3.client()
    await asyncio.to_thread(client.upload_file, str(source), s3.sources, "film")
    head = await asyncio.to_thread(client.head_object, Bucket=s3.sources, Key="film")
    size = int(head["ContentLength"])
    try:
        processes.relay(database.url("relay"))
        processes.planner()
        for _ in range(2):
            processes.worker()
        async with (
            open_event_store(database.url("transcoder")) as store,
            open_event_store(database.url("ingest")) as ingest,
        ):
            studio = Studio(store, s3, ingest)
            found: list[float] = []
            passthrough = False
            # The first one only warms everything up.
            for number in range(times + 1):
                video_id = new_id()
                uploaded = VideoUploaded(
                    video_id=video_id,
                    user_id="user-1",
                    title="film",
                    description="",
                    filename="film.mp4",
                    content_type="video/mp4",
                    size=size,
                    source_key="film",
                )
                await studio.append("upload", video_id, uploaded)
                start = (await ingest.read_stream(f"upload-{video_id}"))[0].recorded_at
                playable = await studio.wait_for(video_id, "VideoPlayable", "TranscodeFailed")
                if not isinstance(playable, VideoPlayable):
                    raise RuntimeError(f"not playable: {playable}")
                story = await studio.story(video_id)
                end = next(r.recorded_at for r in story if isinstance(r.data, VideoPlayable))
                plan = next(r.data for r in story if isinstance(r.data, TranscodePlanned))
                passthrough = plan.renditions[0].passthrough
                if number:
                    found.append((end - start).total_seconds())
                _decodes(studio, video_id, folder, plan, passthrough=passthrough)
                await handlers.cancel(store, video_id, "user-1")
                await eventually(lambda video_id=video_id: _nothing_left(studio, video_id), 60)
            return LongWait(size / 1e6, passthrough, found)
    finally:
        processes.stop()


def _nothing_left(studio: Studio, video_id: str) -> bool:
    return not studio.keys(video_id)


def _decodes(
    studio: Studio, video_id: str, folder: Path, plan: TranscodePlanned, *, passthrough: bool
) -> None:
    """What the early playlist names first can be decoded without a complaint."""
    name = plan.renditions[0 if passthrough else -1].name
    lines = studio.get(f"{plan.prefix}/{name}-early.m3u8").decode().splitlines()
    init = next(line for line in lines if line.startswith("#EXT-X-MAP")).split('"')[1]
    first = next(line for line in lines if line and not line.startswith("#"))
    length, offset = map(
        int, next(line for line in lines if "BYTERANGE:" in line).split(":")[1].split("@")
    )
    data = studio.get(f"{plan.prefix}/{init}")
    data += studio.get(f"{plan.prefix}/{first}")[offset : offset + length]
    target = folder / "first.mp4"
    target.write_bytes(data)
    _run("-xerror", "-i", str(target), "-f", "null", "-")


def _run(*arguments: str) -> None:
    command = [find_ffmpeg(None), "-nostdin", "-v", "error", "-y", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=1800)
