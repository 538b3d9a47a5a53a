"""Small files that state large things, and what the plan task makes of a file."""

import struct
import time
from pathlib import Path

from services.transcoder.encoding.source_reader import SourceReader
from services.transcoder.encoding.source_relay import SourceRelay
from services.transcoder.handlers import record
from services.transcoder.planning.media_errors import MediaRejected
from services.transcoder.scheduler.leases import ClaimedTask
from services.transcoder.worker.context import TaskContext, TaskProgress, Tools, WorkerContext
from services.transcoder.worker.task_plan import make_plan
from shared.contracts import TranscodeFailed, TranscodePlanned
from shared.event_store.memory import MemoryEventStore
from shared.programs.finding import find_ffmpeg, find_ffprobe
from tests.integration.transcoder.clips import ffmpeg
from tests.integration.transcoder.counted import Counted
from tests.support.memory_blobs import MemoryBlobs

RATE = 25
FRAMES = 60
DAY = 86_000
_VIDEO = "video"


class PlanStage:
    """A worker without database and broker, which plans files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.media = MemoryBlobs()

    async def plan(self, source: Path) -> TranscodePlanned:
        """The plan of a file, of the second attempt where there is one.

        Raises MediaRejected, TaskFailed.
        """
        tools = Tools(
            ffmpeg=find_ffmpeg(None),
            ffprobe=find_ffprobe(None),
            preset="superfast",
            threads=1,
            memory_bytes=1 << 30,
        )
        folder = self._folder / f"task-{source.name}"
        folder.mkdir()
        async with SourceRelay().serving() as relay:
            sources = SourceReader(Counted(source).store, self.media, relay)
            worker = WorkerContext(
                name="worker",
                tools=tools,
                sources=sources,
                media=self.media,
                store=MemoryEventStore(),
            )
            try:
                return await make_plan(worker, _context(source, folder, 1))
            except MediaRejected as error:
                failed = TranscodeFailed(
                    video_id=_VIDEO, attempt=1, code=error.code, reason=error.reason
                )
                if not (await record(worker.store, _VIDEO, failed, None)).state.open:
                    raise
            return await make_plan(worker, _context(source, folder, 2))


def _context(source: Path, folder: Path, attempt: int) -> TaskContext:
    return TaskContext(_task(source, attempt), folder, TaskProgress(), time.monotonic())


def _task(source: Path, attempt: int) -> ClaimedTask:
    return ClaimedTask(
        task_id="task",
        video_id=_VIDEO,
        user_id="user",
        attempt=attempt,
        kind="plan",
        spec={},
        dispatch=1,
        tries=1,
        plan=None,
        source_key="video/source",
        size=source.stat().st_size,
        correlation_id=None,
        traceparent=None,
    )


def output_frames(planned: TranscodePlanned) -> int:
    """The frames of one rendition."""
    return sum(chunk.frames or 0 for chunk in planned.chunks)


def film(target: Path, *options: str, frames: int = FRAMES, rate: str = str(RATE)) -> Path:
    """A few frames without sound; ``options`` say what is wrong with their times."""
    seconds = f"testsrc2=size=320x240:rate={rate}"
    ffmpeg(
        *("-f", "lavfi", "-i", seconds, "-frames:v", str(frames), "-preset", "ultrafast"),
        *("-enc_time_base", "1/1000", "-fps_mode", "passthrough", *options, str(target)),
    )
    return target


def with_gap(target: Path, seconds: int, *options: str, after: int = FRAMES // 2) -> Path:
    """A film whose later frames are ``seconds`` later."""
    return film(target, "-vf", f"setpts=PTS+gte(N\\,{after})*{seconds}/TB", *options)


def with_long_last_frame(target: Path, seconds: int) -> Path:
    duration = f"setts=duration=if(eq(N\\,{FRAMES - 1})\\,{seconds}/TB\\,DURATION)"
    return film(target, "-bf", "0", "-bsf:v", duration)


def with_edits(target: Path, *edits: tuple[int, int]) -> Path:
    """A film at one frame a second with an edit list: seconds shown, and where they begin."""
    plain = film(target.with_suffix(".plain.mp4"), "-bf", "0", "-use_editlist", "0", rate="1")
    rows = b"".join(
        struct.pack(">IiI", 1000 * shown, begin * _timescale(plain) if begin >= 0 else -1, 0x10000)
        for shown, begin in edits
    )
    body = bytes(4) + struct.pack(">I", len(edits)) + rows
    table = struct.pack(">I4s", 8 + len(body), b"elst") + body
    added = struct.pack(">I4s", 8 + len(table), b"edts") + table
    data = bytearray(plain.read_bytes())
    # The moov box is the last one, so no offset changes.
    track = data.index(b"trak") - 4
    media = data.index(b"mdia", track) - 4
    data[media:media] = added
    for place in (data.index(b"moov") - 4, track):
        (size,) = struct.unpack_from(">I", data, place)
        struct.pack_into(">I", data, place, size + len(added))
    target.write_bytes(data)
    return target


def _timescale(path: Path) -> int:
    data = path.read_bytes()
    return struct.unpack_from(">I", data, data.index(b"mdhd") + 16)[0]


def with_sound(target: Path, sound: str, *options: str) -> Path:
    """A film with the sound of a filter."""
    picture = f"testsrc2=size=320x240:rate={RATE}"
    ffmpeg(
        *("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, "-frames:v", str(FRAMES)),
        *("-preset", "ultrafast", *options, str(target)),
    )
    return target


def with_jump(target: Path, seconds: int) -> Path:
    """A transport stream of two parts, the second of which is ``seconds`` later."""
    parts = []
    for number, offset in enumerate((0, seconds)):
        part = target.with_suffix(f".{number}.ts")
        with_sound(part, "sine=duration=4", "-output_ts_offset", str(offset), "-shortest")
        parts.append(part.read_bytes())
    target.write_bytes(b"".join(parts))
    return target
