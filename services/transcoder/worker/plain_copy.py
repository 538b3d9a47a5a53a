"""Decodes a whole source in order into a copy that can be read in parts.

Some sources change on the way: their time stamps jump, their pictures' size or their sound's
layout changes, or parts of them are damaged. ffmpeg decodes such a source rightly from its
beginning on, but not from the middle. So one ordinary run decodes all of it, once, without visible
loss; the copy is then split and encoded like any other MP4.
"""

import asyncio
import shutil
from pathlib import Path

import msgspec

from services.transcoder.encoding import ffmpeg, ffmpeg_plain
from services.transcoder.encoding.probe import classify_failure, read_packets
from services.transcoder.planning.ending import GUESSED, ending, with_note
from services.transcoder.planning.joins import Join
from services.transcoder.planning.media_errors import MediaRejected, failed, rejected
from services.transcoder.planning.plain import (
    CopyBudget,
    copy_budget,
    frame_for,
    own_shapes,
    plain_rate,
)
from services.transcoder.planning.probe_report import JUMPING, ProbedSource
from services.transcoder.planning.tracks import lost_notes
from services.transcoder.worker.context import TaskContext, WorkerContext, limits
from services.transcoder.worker.source_copy import RemuxedCopy, store_copy
from services.transcoder.worker.source_probing import trials
from shared.contracts import SourceFacts, VideoTrack
from shared.programs.confinement import Limits
from shared.programs.process import (
    FfmpegProgress,
    RunFailed,
    run_ffmpeg,
    run_ffprobe_lines,
)
from shared.telemetry import get_logger

_log = get_logger(__name__)

# Seconds in which the sizes of the key frames are looked at; what was seen until then counts.
_SIZES_SECONDS = 300.0
# Containers that ffmpeg reads on where a second file follows, whose times begin again.
_RESTARTING = frozenset(("flv", "gxf", "matroska", "nut", "rm"))


async def decode_source(
    worker: WorkerContext,
    context: TaskContext,
    source: ffmpeg.Input,
    before: ProbedSource,
    *,
    until: int | None = None,
) -> RemuxedCopy:
    """Decode the source and store the copy. Raises MediaRejected, TaskFailed.

    ``until``: the byte at which a further recording begins that is left out.
    """
    joins = await _joins(worker, context, source, before)
    task, facts = context.task, before.facts
    sizes = await _sizes(worker, context, source, facts.video) if facts.video else {}
    frame = frame_for(facts.video, sizes) if facts.video else None
    free = await asyncio.to_thread(lambda: shutil.disk_usage(context.folder).free)
    budget = copy_budget(facts, frame, free)
    target = context.folder / "plain.mp4"
    shapes = own_shapes(facts.video, sizes) if facts.video else []
    run = ffmpeg_plain.WholeRun(
        source, facts, frame, budget, worker.tools.threads, joins, tuple(shapes), until
    )
    try:
        await _run(worker, context, run, target)
    except MediaRejected:
        # One track of which nothing decodes fails them all.
        decodable = await _decodable(worker, context, source, facts)
        if decodable in (None, facts):
            raise
        run = msgspec.structs.replace(run, facts=decodable)
        await _run(worker, context, run, target)
    _log.info("source decoded as a whole", task=task.task_id, seconds=context.elapsed_ms / 1000)
    copy = await store_copy(worker, context, target)
    if copy is None:
        raise failed("media.no_copy")
    found = msgspec.structs.replace(_described(before, run, copy), cover=before.cover)
    return msgspec.structs.replace(copy, found=found)


async def _joins(
    worker: WorkerContext, context: TaskContext, source: ffmpeg.Input, before: ProbedSource
) -> tuple[Join, ...]:
    """Where further recordings begin whose times ffmpeg does not move. Raises MediaRejected."""
    if before.facts.container not in _RESTARTING:
        return ()
    read = await read_packets(worker.tools.ffprobe, source, context.folder, before)
    if read.recordings.too_many:
        raise rejected("media.too_complex")
    return read.recordings.joins


async def _run(
    worker: WorkerContext, context: TaskContext, run: ffmpeg_plain.WholeRun, target: Path
) -> None:
    """Decode a source into ``target``. Raises MediaRejected, TaskFailed."""

    def progressed(progress: FfmpegProgress) -> None:
        context.progress.fraction = min(0.95, progress.seconds / run.budget.seconds)
        context.progress.speed = progress.speed

    try:
        await run_ffmpeg(
            [worker.tools.ffmpeg, *ffmpeg_plain.decode_whole(run, target)],
            context.folder,
            _limits(run.source, worker, run.budget),
            progressed,
        )
    except RunFailed as error:
        raise classify_failure(error, run.source) from error


async def _decodable(
    worker: WorkerContext, context: TaskContext, source: ffmpeg.Input, facts: SourceFacts
) -> SourceFacts | None:
    """The facts of a source without the tracks of which nothing decodes; None if none is left."""
    tried = trials(worker, context)
    video = facts.video
    if video is not None and not await tried.shows(source, video.stream):
        video = None
    heard = [t for t in facts.audio if await tried.sounds(source, t.stream)]
    if video is None and not heard:
        return None
    return msgspec.structs.replace(facts, video=video, audio=tuple(heard))


def _described(before: ProbedSource, run: ffmpeg_plain.WholeRun, made: RemuxedCopy) -> ProbedSource:
    """What is found of the copy that ``run`` made, with what only the source itself can say."""
    after = made.found
    source, copy = before.facts, after.facts
    video, rate = copy.video, after.frame_rate
    if video is not None and source.video is not None:
        rate = plain_rate(before.frame_rate, made.known.index.picture_at(video.stream))
        video = msgspec.structs.replace(
            video,
            codec=source.video.codec,
            frame_rate=f"{rate.numerator}/{rate.denominator}",
            mastering=source.video.mastering,
            light=source.video.light,
            dolby_vision=source.video.dolby_vision,
        )
    audio = copy.audio
    if len(audio) == len(run.facts.audio):
        audio = tuple(
            msgspec.structs.replace(track, codec=known.codec, language=known.language)
            for track, known in zip(audio, run.facts.audio, strict=True)
        )
    notes = source.notes + lost_notes(source, copy)
    facts = msgspec.structs.replace(
        source, duration_ms=copy.duration_ms, video=video, audio=audio, notes=notes
    )
    # Where a clock jumps, or none is stated, the container does not know its own length.
    ended = ending(before.stated, before.start, before.start + (after.duration or 0.0))
    if ended.early and source.container not in JUMPING | GUESSED:
        facts = with_note(facts, ended)
    return msgspec.structs.replace(after, facts=facts, frame_rate=rate)


async def _sizes(
    worker: WorkerContext, context: TaskContext, source: ffmpeg.Input, video: VideoTrack
) -> dict[tuple[int, int, str], None]:
    """The sizes of the source's pictures and the shapes of their pixels, in order."""
    sizes: dict[tuple[int, int, str], None] = {}

    def add(line: str) -> None:
        fields = line.split(",")
        if len(fields) >= 2 and fields[0].isdigit() and fields[1].isdigit():
            shape = fields[2] if len(fields) > 2 else "1:1"
            sizes[int(fields[0]), int(fields[1]), shape] = None

    arguments = [worker.tools.ffprobe, *ffmpeg_plain.picture_sizes(source, video)]
    allowed = limits(source, worker.tools, 1.0, urgent=False)
    allowed = msgspec.structs.replace(
        allowed, seconds=_SIZES_SECONDS, cpu_seconds=round(_SIZES_SECONDS), file_bytes=0
    )
    try:
        await run_ffprobe_lines(arguments, context.folder, allowed, add)
    except RunFailed as error:
        _log.info("not all sizes are known", task=context.task.task_id, error=error.detail)
    return sizes


def _limits(source: ffmpeg.Input, worker: WorkerContext, budget: CopyBudget) -> Limits:
    usual = limits(source, worker.tools, budget.seconds, urgent=False)
    return msgspec.structs.replace(usual, file_bytes=budget.bytes)
