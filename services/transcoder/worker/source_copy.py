"""A copy of a source in MP4, for containers that cannot be read from their middle.

Transport streams, AVI, FLV, MPEG and fragmented MP4 have no table of their frames. Where MP4 can
hold what is in them, they are copied once, packet by packet, without encoding anything; the copy
is then split, and perhaps shown as it is, like any other MP4. What does not fit, or is too large
for the scratch folder, is encoded as one chunk.
"""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec

from services.transcoder.encoding import ffmpeg
from services.transcoder.encoding.probe import probe_indexed
from services.transcoder.encoding.process import FfmpegProgress, RunFailed, run_ffmpeg
from services.transcoder.encoding.source_reader import IndexedSource, copy_key
from services.transcoder.planning.media_errors import TaskFailed
from services.transcoder.planning.probe_report import ProbedSource
from services.transcoder.worker.context import TaskContext, WorkerContext, limits
from shared.contracts import SourceFacts
from shared.telemetry import get_logger

_log = get_logger(__name__)

_PICTURES: Final = frozenset(
    ("h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video", "mpeg1video", "mjpeg")
)
_SOUNDS: Final = frozenset(
    ("aac", "mp3", "mp2", "ac3", "eac3", "opus", "flac", "alac", "pcm_s16le", "pcm_s16be")
)
# Matroska has an index of its own; its chunks are read by URL.
_INDEXED: Final = frozenset(("matroska",))
_MAX_BYTES: Final = 3 << 30
_BLOCK: Final = 1 << 20


class RemuxedCopy(msgspec.Struct, frozen=True):
    """The copy's key in the media bucket, its index, and the source's facts as it tells them."""

    key: str
    known: IndexedSource
    found: ProbedSource


def worth_copying(facts: SourceFacts, free: int) -> bool:
    """Whether MP4 can hold a source that has no index, and ``free`` bytes of disk the copy."""
    video = facts.video
    if video is None or facts.container in _INDEXED:
        return False
    fits = video.codec in _PICTURES and all(track.codec in _SOUNDS for track in facts.audio)
    return fits and facts.size <= min(_MAX_BYTES, free // 2)


async def copy_source(
    worker: WorkerContext, context: TaskContext, source: ffmpeg.Input, facts: SourceFacts
) -> RemuxedCopy | None:
    """None where the source's packets cannot be copied: it is then encoded as one chunk.

    Raises MediaRejected, TaskFailed.
    """
    free = await asyncio.to_thread(lambda: shutil.disk_usage(context.folder).free)
    if not worth_copying(facts, free):
        return None
    target = context.folder / "copy.mp4"
    seconds = facts.duration_ms / 1000

    def progressed(progress: FfmpegProgress) -> None:
        context.progress.fraction = min(1.0, progress.seconds / max(0.001, seconds))

    try:
        await run_ffmpeg(
            [worker.tools.ffmpeg, *ffmpeg.copy_packets(source, len(facts.audio), target)],
            context.folder,
            limits(source, worker.tools, seconds, urgent=True),
            progressed,
        )
    except RunFailed as error:
        if error.killed:
            raise TaskFailed(
                "media.too_slow", "Reading this file takes too long.", "copying packets"
            ) from error
        _log.info("its packets cannot be copied", task=context.task.task_id, error=error.detail)
        return None
    key = copy_key(context.prefix, await asyncio.to_thread(_digest, target))
    await worker.media.put_stream(key, _read(target), "video/mp4")
    target.unlink()
    known = await worker.sources.indexed(key)
    if known is None:
        return None
    outline = await worker.sources.open_outline(known, context.folder)
    found = await probe_indexed(worker.tools.ffprobe, known, outline, context.folder)
    if found.facts.video is None or _lost(facts, found.facts):
        _log.warning("the copy is not whole", task=context.task.task_id)
        return None
    told = msgspec.structs.replace(
        found.facts, container=facts.container, size=facts.size, bit_rate=facts.bit_rate
    )
    return RemuxedCopy(key, known, msgspec.structs.replace(found, facts=told))


def _lost(before: SourceFacts, after: SourceFacts) -> bool:
    """Whether tracks or more than a little of the end are missing."""
    slack = max(1000, before.duration_ms // 50)
    return len(after.audio) != len(before.audio) or after.duration_ms < before.duration_ms - slack


def _digest(path: Path) -> str:
    """A name that nobody can guess who does not have the file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


async def _read(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while part := await asyncio.to_thread(file.read, _BLOCK):
            yield part
