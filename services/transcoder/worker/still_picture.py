"""Gives sound without a picture one: its cover, or else its waveform.

The picture is a file of one frame in the media bucket. Tasks of pictures read it instead of the
source, and hold its only frame until the sound ends.
"""

import asyncio
from fractions import Fraction
from typing import Final

import msgspec

from services.transcoder.encoding import ffmpeg
from services.transcoder.encoding.ffmpeg_images import cover, waveform
from services.transcoder.encoding.probe import classify_failure, probe_indexed
from services.transcoder.encoding.source_reader import copy_key
from services.transcoder.planning.media_errors import TaskFailed, failed
from services.transcoder.planning.probe_report import ProbedSource
from services.transcoder.planning.tracks import cover_note, waveform_note
from services.transcoder.worker.context import TaskContext, WorkerContext, digest, limits
from shared.contracts import SourceNote, VideoTrack
from shared.programs.process import RunFailed, run_ffmpeg
from shared.telemetry import get_logger

_log = get_logger(__name__)

# Seconds of the picture itself; its frame is held until the sound ends.
_LENGTH_MS: Final = 1000
# A smaller cover cannot be recognised.
_LEAST_SIDE: Final = 32


class StillPicture(msgspec.Struct, frozen=True):
    """The picture's key in the media bucket, the picture as a track, and what it is."""

    key: str
    video: VideoTrack
    note: SourceNote


async def make_picture(
    worker: WorkerContext, context: TaskContext, found: ProbedSource, copied: str | None
) -> StillPicture:
    """Make and store the picture. Raises MediaRejected, TaskFailed.

    ``copied``: the key of the copy that ``found`` describes, if it is one; it has no cover.
    """
    source = await worker.sources.open_whole(context.task.source_key)
    target = context.folder / "picture.mp4"
    if found.cover is not None:
        try:
            await _run(worker, context, source, cover(source, found.cover, target))
            made = await _stored(worker, context, found, cover_note(found.facts.notes))
            if min(made.video.width, made.video.height) >= _LEAST_SIDE:
                return made
        except (RunFailed, TaskFailed, FileNotFoundError) as error:
            _log.info("no cover", task=context.task.task_id, error=str(error))
    if copied is not None:
        source = await worker.sources.open_whole(copied)
    try:
        await _run(
            worker, context, source, waveform(source, found.facts.audio[0], target, film=True)
        )
    except RunFailed as error:
        raise classify_failure(error, source) from error
    return await _stored(worker, context, found, waveform_note(found.facts.notes))


def shown(found: ProbedSource, still: StillPicture) -> ProbedSource:
    """The facts of a source of sound, with the picture that is shown."""
    rate = Fraction(still.video.frame_rate)
    notes = (*found.facts.notes, still.note)
    facts = msgspec.structs.replace(found.facts, video=still.video, notes=notes)
    return msgspec.structs.replace(found, facts=facts, frame_rate=rate, seekable=True)


async def _run(
    worker: WorkerContext, context: TaskContext, source: ffmpeg.Input, arguments: list[str]
) -> None:
    await run_ffmpeg(
        [worker.tools.ffmpeg, *arguments],
        context.folder,
        limits(source, worker.tools, 1.0, urgent=True),
    )


async def _stored(
    worker: WorkerContext, context: TaskContext, found: ProbedSource, note: SourceNote
) -> StillPicture:
    target = context.folder / "picture.mp4"
    data = await asyncio.to_thread(target.read_bytes)
    key = copy_key(context.prefix, digest(data)[:32])
    await worker.media.put(key, data, "video/mp4")
    known = await worker.sources.indexed(key)
    if known is None:
        raise failed("internal.plan", "the made picture")
    outline = await worker.sources.open_outline(known, context.folder)
    seen = await probe_indexed(worker.tools.ffprobe, known, outline, context.folder)
    if seen.facts.video is None:
        raise failed("internal.plan", "the made picture")
    held = (found.duration or 0.0) * 1000 > _LENGTH_MS
    video = msgspec.structs.replace(seen.facts.video, length_ms=_LENGTH_MS if held else 0)
    return StillPicture(key, video, note)
