"""The audio task: encodes one sound track, and publishes it in parts while it is encoded."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec

from services.transcoder.domain.state import SoundTrack, audio_name
from services.transcoder.encoding.ffmpeg import AAC_FRAME, AUDIO_RATE, encode_audio
from services.transcoder.encoding.probe import classify_failure
from services.transcoder.handlers import record, state_of
from services.transcoder.mp4.segment_object import pack_segments
from services.transcoder.planning.media_errors import RESULT_SOUND, failed, rejected
from services.transcoder.planning.plan import silence_until
from services.transcoder.worker.context import (
    TaskContext,
    WorkerContext,
    encoded_track,
    limits,
    publish_init,
    publish_segments,
)
from shared.contracts import AudioEncoded, EncodedTrack, Segment
from shared.mp4 import boxes, fragment_reader
from shared.programs.process import FfmpegProgress, RunFailed, run_ffmpeg

_LOOK_SECONDS: Final = 0.1
# Seconds between two parts. The first part is published immediately, so that the video can play.
_GATHER_SECONDS: Final = 4.0
# Seconds by which a track's samples may differ from their times.
_MOST_AHEAD: Final = 0.25


class _Part(msgspec.Struct, frozen=True):
    """New segments: their init segment, their bytes, and the offset of each in the bytes.

    ``ahead``: the seconds by which their samples are longer than their times say.
    """

    init: bytes
    body: bytes
    segments: tuple[Segment, ...]
    ahead: float


async def encode_sound(worker: WorkerContext, context: TaskContext) -> AudioEncoded:
    """Encode a track and record its parts; returns the event that completes it.

    Raises MediaRejected, TaskFailed.
    """
    plan, task = context.plan, context.task
    track = plan.audio[context.setting("track", int)]
    name = audio_name(track.index)
    source = await worker.sources.open_whole(context.source_key)
    target = context.folder / "sound.mp4"
    target.touch()
    seconds = plan.source.duration_ms / 1000
    silence = silence_until(track, plan.source.duration_ms)

    def progressed(progress: FfmpegProgress) -> None:
        context.progress.fraction = min(1.0, progress.seconds / max(0.001, seconds))
        context.progress.speed = progress.speed

    # Continue after the parts that an earlier try published; its encode had the same result.
    known = (await state_of(worker.store, task.video_id)).audio.get(name, SoundTrack())
    reached = known.segments
    ahead = 0.0
    encoding = asyncio.create_task(
        run_ffmpeg(
            [
                worker.tools.ffmpeg,
                *encode_audio(source, track, silence, plan.segment_ms / 1000, target),
            ],
            context.folder,
            limits(source, worker.tools, seconds, urgent=True),
            progressed,
        )
    )
    try:
        async for part in _parts(target, encoding):
            ahead += part.ahead
            if abs(ahead) > _MOST_AHEAD:
                raise rejected(RESULT_SOUND)
            fresh = tuple(segment for segment in part.segments if segment.index >= reached)
            if not fresh:
                continue
            stored = await _store(worker, context, name, part, fresh)
            reached = fresh[-1].index + 1
            event = _event(worker, context, stored, False)
            outcome = await record(worker.store, task.video_id, event, task.correlation_id)
            if outcome.state.audio.get(name, SoundTrack()).segments != reached:
                # Another worker publishes this track, or the attempt is over. Later parts would
                # leave a gap.
                raise failed("worker.overtaken")
        await encoding
    except RunFailed as error:
        raise classify_failure(error, source) from error
    finally:
        encoding.cancel()
        await asyncio.gather(encoding, return_exceptions=True)
    end = encoded_track(name, 48_000, "mp4a.40.2", ("", "", 0), stored=None, segments=())
    return _event(worker, context, end, True)


async def _parts(target: Path, encoding: "asyncio.Task[None]") -> AsyncIterator[_Part]:
    """Yield finished fragments as ffmpeg writes them: the first one alone, later ones together."""
    init: bytes | None = None
    pending, offset, index = b"", 0, 0
    last = 0.0
    while True:
        finished = encoding.done()
        pending += await asyncio.to_thread(_read_from, target, offset + len(pending))
        if init is None:
            init = _init(pending)
        due = finished or index == 0 or time.monotonic() - last >= _GATHER_SECONDS
        found = fragment_reader.read_fragments(pending) if init is not None and due else []
        if found and init is not None:
            body = b"".join(pending[f.offset : f.offset + f.size] for f in found)
            frames = sum(fragment.samples for fragment in found)
            ticks = frames * AAC_FRAME - sum(fragment.duration for fragment in found)
            yield _Part(init, body, _segments(found, index), ticks / AUDIO_RATE)
            index += len(found)
            used = found[-1].offset + found[-1].size
            pending, offset = pending[used:], offset + used
            last = time.monotonic()
        if finished:
            return
        await asyncio.wait({encoding}, timeout=_LOOK_SECONDS)


def _init(data: bytes) -> bytes | None:
    try:
        return fragment_reader.read_init_segment(data)
    except boxes.MalformedMp4:
        return None


def _segments(found: list[fragment_reader.Fragment], index: int) -> tuple[Segment, ...]:
    segments: list[Segment] = []
    offset = 0
    for fragment in found:
        segments.append(
            Segment(
                index=index + len(segments),
                start=fragment.start,
                duration=fragment.duration,
                size=fragment.size,
                offset=offset,
            )
        )
        offset += fragment.size
    return tuple(segments)


async def _store(
    worker: WorkerContext, context: TaskContext, name: str, part: _Part, fresh: tuple[Segment, ...]
) -> EncodedTrack:
    try:
        track = fragment_reader.read_track(part.init)
    except boxes.MalformedMp4 as error:
        raise failed("encoder.sound") from error
    body, segments = pack_segments(
        (segment, part.body[segment.offset : segment.offset + segment.size]) for segment in fresh
    )
    folder = f"{context.prefix}/{name}"
    init_key, mark = await publish_init(worker.media, folder, part.init, "audio/mp4")
    number = segments[0].index
    stored = await publish_segments(worker.media, folder, number, body, "audio/mp4")
    return encoded_track(
        name,
        track.timescale,
        track.codecs,
        (init_key, mark, len(part.init)),
        stored=stored,
        segments=segments,
    )


def _event(
    worker: WorkerContext, context: TaskContext, track: EncodedTrack, complete: bool
) -> AudioEncoded:
    return AudioEncoded(
        video_id=context.task.video_id,
        attempt=context.task.attempt,
        complete=complete,
        tracks=(track,),
        worker=worker.name,
        try_number=context.task.tries,
        elapsed_ms=context.elapsed_ms,
    )


def _read_from(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read()
