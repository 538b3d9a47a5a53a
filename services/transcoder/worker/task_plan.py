"""The plan task: probes the source and decides what to make of it."""

import asyncio
from fractions import Fraction
from typing import Final

import msgspec

from services.transcoder.encoding.ffmpeg import Input
from services.transcoder.encoding.field_look import look_at_fields
from services.transcoder.encoding.probe import (
    probe_source,
    probe_stated,
    read_packets,
)
from services.transcoder.encoding.source_reader import IndexedSource
from services.transcoder.handlers import hdr_wish, state_of
from services.transcoder.mp4 import fragment_writer
from services.transcoder.mp4.protection import protected_tracks
from services.transcoder.planning.ending import is_cut
from services.transcoder.planning.extra_codecs import extra_renditions
from services.transcoder.planning.following import MAY_FOLLOW, MISREAD
from services.transcoder.planning.hdr import hdr_renditions, wanted_codecs, with_hdr_note
from services.transcoder.planning.ladder import ladder
from services.transcoder.planning.length import check_length
from services.transcoder.planning.media_errors import CHANGES, MediaRejected, rejected
from services.transcoder.planning.passthrough import (
    PassthroughVerdict,
    check_passthrough,
    passthrough_ladder,
)
from services.transcoder.planning.plan import chunks, timeline, timeline_along
from services.transcoder.planning.probe_report import JUMPING, ProbedSource
from services.transcoder.planning.scrambling import is_scrambled
from services.transcoder.worker.context import TaskContext, WorkerContext
from services.transcoder.worker.further_recordings import tell_rest, where_next
from services.transcoder.worker.judgement import certain_of_cut, check_size
from services.transcoder.worker.plain_copy import decode_source
from services.transcoder.worker.recorded_live import (
    is_recorded_live,
    join_recording,
    of_live,
)
from services.transcoder.worker.source_copy import copy_source, jumps
from services.transcoder.worker.source_probing import probe_tables, probe_whole, trials
from services.transcoder.worker.still_picture import StillPicture, make_picture, shown
from shared.contracts import TranscodePlanned
from shared.telemetry import get_logger

_log = get_logger(__name__)

# Segments of a source without video are as long as those of others.
_SOUND_SEGMENT_MS = 4000
_ENCODER = "x264"
# Containers in which it may not show that other recordings follow.
_SEVERAL: Final = MAY_FOLLOW | {"flac"}
# Key frames of a source that are read to check that they are IDR pictures, and bytes of each.
_LOOKS: Final = 6
_LOOK_BYTES: Final = 32 << 10
# What is found of scrambled sources, and how much of them is looked at then.
_PERHAPS_SCRAMBLED: Final = frozenset(
    ("media.empty", "media.no_tracks", "media.truncated", "media.unknown_codec", "media.unreadable")
)
_SCRAMBLED_BYTES: Final = 1 << 20


async def make_plan(worker: WorkerContext, context: TaskContext) -> TranscodePlanned:
    """Probe the source and make the plan. Raises MediaRejected, TaskFailed."""
    live = is_recorded_live(context.task)
    if live:
        context = await join_recording(worker, context)
    task = context.task
    await check_size(worker, task)
    state = await state_of(worker.store, task.video_id)
    try:
        read = await _decoded(worker, context) if state.plain else await _read(worker, context)
    except MediaRejected as error:
        if error.code in _PERHAPS_SCRAMBLED and await _is_scrambled(worker, context):
            raise rejected("media.encrypted", protection="a scrambled broadcast") from error
        raise
    known, found, copied = read.known, read.found, read.copied
    check_length(found)
    still: StillPicture | None = None
    if found.facts.video is None:
        still = await make_picture(worker, context, found, copied)
        found = shown(found, still)
    if live:
        copied = copied or task.source_key
        found = of_live(found)
    key = copied or task.source_key
    found = await _with_fields(worker, context, key, found)
    fit = await _passthrough(worker, context, key, known, found)
    everywhere = passthrough_ladder(found.facts) if fit.borders else ladder(found.facts)
    wish = await hdr_wish(worker.store, task.video_id)
    codecs = wanted_codecs(wish, worker.tools.hdr_codecs, worker.tools.hdr_on_request)
    bright = hdr_renditions(found.facts, ladder(found.facts), codecs)
    extra = extra_renditions(ladder(found.facts), worker.tools.extra_codecs)
    # The lowest H.264 rendition must be last: its first chunk makes the video playable.
    renditions = (*bright, *extra, *everywhere)
    line = timeline(found.frame_rate) if renditions else None
    if fit.borders:
        line = timeline_along(found.frame_rate, fit.borders)
    return TranscodePlanned(
        video_id=task.video_id,
        user_id=task.user_id,
        attempt=task.attempt,
        prefix=context.prefix,
        source=with_hdr_note(found.facts, wish, kept=bool(bright)),
        renditions=renditions,
        chunks=chunks(line, found.duration or 0.0, splittable=found.seekable) if line else (),
        audio=found.facts.audio,
        segment_ms=line.segment_ms if line else _SOUND_SEGMENT_MS,
        encoder=f"{_ENCODER} {worker.tools.preset}",
        worker=worker.name,
        borders=fit.borders,
        picture_delay_us=fit.delay_us,
        remuxed_key=copied,
        plain=state.plain,
        counted=state.counted,
        picture_key=still.key if still else None,
    )


async def _is_scrambled(worker: WorkerContext, context: TaskContext) -> bool:
    """Whether the source is a transport stream that needs a key. Raises MediaRejected."""
    key = context.task.source_key
    size = await worker.sources.size(key)
    return is_scrambled(await worker.sources.read(key, 0, min(size, _SCRAMBLED_BYTES)))


async def _with_fields(
    worker: WorkerContext, context: TaskContext, key: str, found: ProbedSource
) -> ProbedSource:
    """The facts of a source, with its fields if it is interlaced."""
    video = found.facts.video
    if video is None or not video.interlaced:
        return found
    tools = worker.tools
    source = await worker.sources.open_whole(key)
    return await look_at_fields(tools.ffmpeg, source, found, context.folder, tools.memory_bytes)


class _Readable(msgspec.Struct, frozen=True):
    """What the tasks read: its index, its facts, and its key where it is a copy."""

    known: IndexedSource | None
    found: ProbedSource
    copied: str | None = None


async def _decoded(worker: WorkerContext, context: TaskContext) -> _Readable:
    """The copy that is made by decoding the whole source. Raises MediaRejected, TaskFailed."""
    task = context.task
    # Only the index tells which bytes before it are no part of the file.
    known = await worker.sources.indexed(task.source_key)
    tried, locks = trials(worker, context), await _locks(worker, context)

    async def probe(source: Input) -> ProbedSource:
        program, folder = worker.tools.ffprobe, context.folder
        return await probe_stated(program, source, task.size, folder, trials=tried, locks=locks)

    source, before = await probe_whole(worker, context, probe)
    before = await _with_fields(worker, context, task.source_key, before)
    own = before.facts.container in MISREAD
    until = await where_next(worker, task.source_key, before) if own else None
    copy = await decode_source(worker, context, source, before, until=until)
    found = copy.found
    if is_cut(found.facts):
        await certain_of_cut(worker, context)
    read = None
    if known is None and before.facts.container in _SEVERAL:
        read = await read_packets(worker.tools.ffprobe, source, context.folder, before)
        found = msgspec.structs.replace(found, place=read.place)
    found = await tell_rest(worker, task.source_key, found, read)
    return _Readable(copy.known, found, copy.key)


async def _read(worker: WorkerContext, context: TaskContext) -> _Readable:
    """The source, or its remuxed copy. Raises MediaRejected where neither can be read in parts."""
    task = context.task
    known = await worker.sources.indexed(task.source_key)
    if known is not None:
        if any(track.entries > 1 or track.edits.repeats for track in known.index.tracks):
            raise rejected(CHANGES)
        found = await probe_tables(worker, context, known)
        return _Readable(known, await tell_rest(worker, task.source_key, found))
    tried, locks = trials(worker, context), await _locks(worker, context)

    async def probe(source: Input) -> ProbedSource:
        program, folder = worker.tools.ffprobe, context.folder
        return await probe_source(program, source, task.size, folder, trials=tried, locks=locks)

    source, found = await probe_whole(worker, context, probe)
    if found.jumps:
        raise jumps()
    if is_cut(found.facts):
        worker = await certain_of_cut(worker, context)
        source, found = await probe_whole(worker, context, probe)
    if found.facts.container in MISREAD and await where_next(worker, task.source_key, found):
        raise jumps()
    if found.facts.container in MAY_FOLLOW:
        found = await tell_rest(worker, task.source_key, found)
    copy = await copy_source(worker, context, source, found)
    if copy is not None:
        return _Readable(copy.known, copy.found, copy.key)
    if found.facts.container in JUMPING or found.apart:
        # Too large to be read in order beforehand, or in codecs that MP4 does not support.
        raise jumps()
    return _Readable(None, found)


async def _locks(worker: WorkerContext, context: TaskContext) -> dict[int, str]:
    moov = await worker.sources.moov(context.task.source_key)
    return protected_tracks(moov) if moov else {}


async def _passthrough(
    worker: WorkerContext,
    context: TaskContext,
    key: str,
    known: IndexedSource | None,
    found: ProbedSource,
) -> PassthroughVerdict:
    """Whether the source may be its own top rendition. Later attempts always encode."""
    video = found.facts.video
    track = known.index.picture_at(video.stream) if known and video else None
    if track is None or context.task.attempt > 1:
        return PassthroughVerdict(reason="it has no index of its frames, or an attempt has failed")
    fit = await asyncio.to_thread(
        check_passthrough, found.facts, track, found.frame_rate, found.start
    )
    if fit.reason is None:
        step = Fraction(len(fit.samples), _LOOKS)
        looked = {fit.samples[int(step * number)] for number in range(_LOOKS)}
        heads = await asyncio.gather(
            *(
                worker.sources.read(
                    key,
                    track.offsets[sample],
                    track.offsets[sample] + min(track.sizes[sample], _LOOK_BYTES),
                )
                for sample in sorted(looked)
            )
        )
        if not all(fragment_writer.has_idr(head, track.entry) for head in heads):
            fit = PassthroughVerdict(reason="its key frames are not IDR pictures")
    if fit.reason is not None:
        _log.info("no passthrough", task=context.task.task_id, reason=fit.reason)
    return fit
