"""Remuxes sources without a sample index into MP4, without encoding.

Transport streams, AVI, FLV, MPEG and fragmented MP4 have no table of their frames. Where MP4
supports their codecs, their packets are copied once; the copy is then split or passed through like
any other MP4. Sources with other codecs, or too large for the scratch folder, are one chunk.
"""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from services.transcoder.encoding import ffmpeg
from services.transcoder.encoding.probe import probe_indexed
from services.transcoder.encoding.source_reader import IndexedSource, copy_key
from services.transcoder.mp4.sample_index import SampleTrack
from services.transcoder.planning.ending import is_cut
from services.transcoder.planning.media_errors import (
    CHANGES,
    JUMPS,
    MediaRejected,
    failed,
    rejected,
)
from services.transcoder.planning.plain import differences
from services.transcoder.planning.probe_report import JUMPING, ProbedSource
from services.transcoder.worker.context import TaskContext, WorkerContext, limits
from shared.contracts import SourceFacts
from shared.programs.process import FfmpegProgress, RunFailed, run_ffmpeg
from shared.telemetry import get_logger

_log = get_logger(__name__)

_PICTURES: Final = frozenset(
    ("h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video", "mpeg1video", "mjpeg")
)
_SOUNDS: Final = frozenset(
    ("aac", "mp3", "mp2", "ac3", "eac3", "opus", "flac", "alac", "pcm_s16le", "pcm_s16be")
)
# Matroska is seekable by its own index; its chunks are read by URL.
_INDEXED: Final = frozenset(("matroska",))
_MAX_BYTES: Final = 3 << 30
_BLOCK: Final = 1 << 20
# The share by which packets of one sample rate may differ in length; how often they may differ by
# more, and by how many seconds in all.
_APART: Final = 0.05
_OFTEN: Final = 8
_APART_SECONDS: Final = 0.15


class RemuxedCopy(msgspec.Struct, frozen=True):
    """A remuxed copy: its key in the media bucket, its index, and the facts probed from it."""

    key: str
    known: IndexedSource
    found: ProbedSource


def worth_copying(facts: SourceFacts, free: int) -> bool:
    """Whether MP4 supports the source's codecs, and ``free`` bytes of disk suffice for the copy."""
    video = facts.video
    # The index is at the end, which may be missing.
    if video is None or (facts.container in _INDEXED and not is_cut(facts)):
        return False
    fits = video.codec in _PICTURES and all(track.codec in _SOUNDS for track in facts.audio)
    return fits and facts.size <= min(_MAX_BYTES, free // 2)


async def copy_source(
    worker: WorkerContext, context: TaskContext, source: ffmpeg.Input, before: ProbedSource
) -> RemuxedCopy | None:
    """Remux a source and store the copy; None where that is not possible.

    Raises MediaRejected, TaskFailed.
    """
    facts = before.facts
    free = await asyncio.to_thread(lambda: shutil.disk_usage(context.folder).free)
    if not worth_copying(facts, free):
        return None
    target = context.folder / "copy.mp4"
    seconds = facts.duration_ms / 1000

    def progressed(progress: FfmpegProgress) -> None:
        context.progress.fraction = min(1.0, progress.seconds / max(0.001, seconds))

    try:
        await run_ffmpeg(
            [
                worker.tools.ffmpeg,
                *ffmpeg.copy_packets(source, facts, target, ordered=before.ordered),
            ],
            context.folder,
            # The tables of a copy are at most as large as its packets.
            limits(
                source, worker.tools, seconds, urgent=True, file_bytes=(64 << 20) + 2 * facts.size
            ),
            progressed,
        )
    except RunFailed as error:
        if error.killed:
            raise failed("media.too_slow", "copying packets") from error
        _log.info("source cannot be remuxed", task=context.task.task_id, error=error.detail)
        return None
    copy = await store_copy(worker, context, target)
    if copy is None:
        return None
    found = copy.found
    if found.facts.video is None or _lost(before, found):
        _log.warning("remuxed copy is incomplete", task=context.task.task_id)
        raise jumps()
    if any(_changes_rate(track) for track in copy.known.index.tracks):
        raise rejected(CHANGES, "the kind of sound")
    facts = msgspec.structs.replace(
        found.facts,
        container=facts.container,
        size=facts.size,
        bit_rate=facts.bit_rate,
        # The copy has none.
        texts=facts.texts,
        # Both say what the picture itself says.
        notes=tuple(dict.fromkeys(facts.notes + found.facts.notes)),
    )
    found = msgspec.structs.replace(found, facts=facts)
    return msgspec.structs.replace(copy, found=found)


async def store_copy(
    worker: WorkerContext, context: TaskContext, target: Path
) -> RemuxedCopy | None:
    """Store a copy and probe it; None where it has no index. The file is deleted.

    Raises MediaRejected, TaskFailed.
    """
    key = copy_key(context.prefix, await asyncio.to_thread(_digest, target))
    await worker.media.put_stream(key, _read(target), "video/mp4")
    await asyncio.to_thread(target.unlink)
    known = await worker.sources.indexed(key)
    if known is None:
        return None
    outline = await worker.sources.open_outline(known, context.folder)
    found = await probe_indexed(worker.tools.ffprobe, known, outline, context.folder)
    return RemuxedCopy(key, known, found)


def jumps() -> MediaRejected:
    """The error for a source that only ffmpeg's own clock reads rightly."""
    return rejected(JUMPS)


def _changes_rate(track: SampleTrack) -> bool:
    """Whether packets of AAC last longer or shorter than others, again and again.

    MP4 states one sample rate for all of them. In a transport stream, several packets share a time
    stamp, so the difference is seen at every few of them.
    """
    if track.kind != "soun" or track.entry[4:8] != b"mp4a" or track.count < 2:
        return False
    lengths = differences(track.decode)
    usual = median(lengths)
    apart = [abs(length - usual) for length in lengths if abs(length - usual) > usual * _APART]
    return len(apart) >= _OFTEN and sum(apart) > _APART_SECONDS * track.timescale


def _lost(before: ProbedSource, after: ProbedSource) -> bool:
    """Whether the copy lacks tracks, or more than a second and 2 % of its end.

    Where the clock of a transport stream jumps, ffmpeg closes the gap, and the copy is shorter.
    Where it jumps back, the copy is longer.
    """
    expected = before.facts.duration_ms
    slack = max(1000, expected // 50)
    tracks = len(after.facts.audio) != len(before.facts.audio)
    longer = after.facts.duration_ms - expected
    return tracks or longer < -slack or (longer > slack and before.facts.container in JUMPING)


def _digest(path: Path) -> str:
    """A hash of the contents, so that the key cannot be guessed."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


async def _read(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while part := await asyncio.to_thread(file.read, _BLOCK):
            yield part
