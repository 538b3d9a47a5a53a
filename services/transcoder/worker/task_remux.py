"""The remux task: cuts one chunk of the source's own frames into segments, without encoding."""

import asyncio
from bisect import bisect_right
from typing import Final

from services.transcoder.mp4 import fragment_writer
from services.transcoder.mp4.sample_index import SampleTrack
from services.transcoder.mp4.segment_object import pack_segments
from services.transcoder.planning.media_errors import (
    CHANGES,
    failed,
    rejected,
)
from services.transcoder.planning.passthrough import segment_samples
from services.transcoder.planning.plan import passthrough_rendition, timeline_of
from services.transcoder.worker.context import (
    TaskContext,
    WorkerContext,
    encoded_track,
    publish_init,
    publish_segments,
)
from shared.contracts import ChunkEncoded, EncodedTrack, Segment
from shared.mp4 import fragment_reader

# Gaps between frames, such as sound, are read with them up to this size.
_GAP_BYTES: Final = 256 << 10


async def cut_from_source(worker: WorkerContext, context: TaskContext) -> ChunkEncoded:
    """Cut and store one chunk. Raises MediaRejected, TaskFailed."""
    plan = context.plan
    chunk = plan.chunks[context.setting("chunk", int)]
    top = passthrough_rendition(plan)
    known = await worker.sources.indexed(context.source_key)
    video = plan.source.video
    track = known.index.picture_at(video.stream if video else None) if known else None
    if top is None or track is None:
        raise failed("internal.plan")
    borders = (*await asyncio.to_thread(segment_samples, track), track.count)
    if len(borders) != len(plan.borders) + 1:
        raise failed("internal.plan")
    timescale = timeline_of(plan).timescale
    clock = await asyncio.to_thread(
        fragment_writer.output_clock, track, plan.picture_delay_us, timescale
    )
    parts: list[tuple[Segment, bytes]] = []
    for number in range(chunk.first_segment, chunk.first_segment + chunk.segments):
        first, stop = borders[number], borders[number + 1]
        media = await _samples(worker, context, track, first, stop)
        made = await asyncio.to_thread(
            fragment_writer.write_fragment, track, clock, range(first, stop), number + 1, media
        )
        check(made, track, clock, first, stop)
        (found,) = fragment_reader.read_fragments(made)
        segment = Segment(
            index=number,
            start=clock.shown(track, first),
            duration=clock.shown(track, stop) - clock.shown(track, first),
            size=len(made),
            key_bytes=found.key_bytes,
        )
        parts.append((segment, made))
        context.progress.fraction = (number + 1 - chunk.first_segment) / chunk.segments
    folder = f"{context.prefix}/{top.name}"
    init = fragment_writer.write_init_segment(track, clock)
    init_key, mark = await publish_init(worker.media, folder, init, "video/mp4")
    body, segments = pack_segments(parts)
    stored = await publish_segments(worker.media, folder, chunk.index, body, "video/mp4")
    made_track = encoded_track(
        top.name,
        clock.timescale,
        fragment_writer.codecs(track),
        (init_key, mark, len(init)),
        stored=stored,
        segments=segments,
    )
    return _chunk_encoded(worker, context, chunk.index, made_track)


def _chunk_encoded(
    worker: WorkerContext, context: TaskContext, chunk: int, track: EncodedTrack
) -> ChunkEncoded:
    elapsed, task = max(1, context.elapsed_ms), context.task
    seconds = sum(segment.duration for segment in track.segments) / track.timescale
    return ChunkEncoded(
        video_id=task.video_id,
        attempt=task.attempt,
        chunk=chunk,
        tracks=(track,),
        worker=worker.name,
        try_number=task.tries,
        elapsed_ms=elapsed,
        speed=round(1000 * seconds / elapsed, 3),
    )


async def _samples(
    worker: WorkerContext, context: TaskContext, track: SampleTrack, first: int, stop: int
) -> bytes:
    """The bytes of samples ``first`` up to ``stop``, in decoding order."""
    parts = {
        start: await worker.sources.read(context.source_key, start, end)
        for start, end in track.ranges(first, stop, _GAP_BYTES)
    }
    starts = sorted(parts)
    media = bytearray()
    for sample in range(first, stop):
        offset, size = track.offsets[sample], track.sizes[sample]
        start = starts[bisect_right(starts, offset) - 1]
        media += parts[start][offset - start : offset - start + size]
    made = bytes(media)
    if not fragment_writer.has_idr(made[: track.sizes[first]], track.entry):
        # The index marks a frame as a key frame that is no IDR picture; browsers do not start
        # there.
        raise rejected("media.not_fit")
    if fragment_writer.changes_parameters(made, track.sizes[first:stop], track.entry):
        # Browsers take the parameters from the init segment.
        raise rejected(CHANGES, "the picture's parameters")
    return made


def check(
    made: bytes, track: SampleTrack, clock: fragment_writer.OutputClock, first: int, stop: int
) -> None:
    """Check that no frame is missing or doubled, and that times are right. Raises TaskFailed."""
    found = fragment_reader.read_fragments(made)
    expected = sum(track.sizes[first:stop])
    if (
        len(found) != 1
        or found[0].samples != stop - first
        or found[0].start != clock.decode(track, first)
        or found[0].duration != clock.decode(track, stop) - clock.decode(track, first)
        or not found[0].keyframe
        or found[0].size < expected
        or clock.shown(track, stop) <= clock.shown(track, first)
    ):
        raise failed("remux.damaged")
