"""The video task: encodes one chunk of some renditions, checks and stores the segments."""

import asyncio
from pathlib import Path

from services.transcoder.encoding.ffmpeg import Input
from services.transcoder.encoding.ffmpeg_chunks import ChunkRun, encode_chunk, read_from
from services.transcoder.encoding.ffmpeg_images import sprite as sprite_arguments
from services.transcoder.encoding.probe import classify_failure
from services.transcoder.mp4.segment_object import pack_segments
from services.transcoder.object_keys import sprite_key
from services.transcoder.planning.media_errors import MediaRejected, failed, rejected
from services.transcoder.planning.plan import Timeline, h264_renditions, timeline_of
from services.transcoder.planning.storyboard import sheet
from services.transcoder.worker.context import (
    TaskContext,
    WorkerContext,
    encoded_track,
    limits,
    publish_init,
    publish_object,
    publish_segments,
)
from shared.contracts import Chunk, ChunkEncoded, EncodedTrack, Segment, StoredObject, VideoTrack
from shared.mp4 import boxes, fragment_reader
from shared.programs.process import FfmpegProgress, RunFailed, run_ffmpeg
from shared.telemetry import get_logger

_log = get_logger(__name__)

# The file of the lowest rendition's chunk, from which the sprite is made.
_OWN_PART = "own.mp4"


async def encode_video(worker: WorkerContext, context: TaskContext) -> ChunkEncoded:
    """Encode and store one chunk. Raises MediaRejected, TaskFailed."""
    plan, task = context.plan, context.task
    names = context.setting("renditions", list[str])
    chunk = plan.chunks[context.setting("chunk", int)]
    video = plan.source.video
    if video is None:
        raise failed("internal.plan")
    line = timeline_of(plan)
    source = await _open(worker, context, video, chunk, line)
    urgent = chunk.index == 0 and {each.name for each in h264_renditions(plan)} > set(names)
    run = ChunkRun(
        source=source,
        video=video,
        chunk=chunk,
        line=line,
        renditions=tuple(r for r in plan.renditions if r.name in names),
        last=chunk.index == len(plan.chunks) - 1,
        preset=worker.tools.preset,
        # The task that makes the video playable may use a second core.
        threads=max(2, worker.tools.threads) if urgent else worker.tools.threads,
    )
    seconds = float(run.frames / run.line.frame_rate)

    def progressed(progress: FfmpegProgress) -> None:
        context.progress.fraction = min(1.0, progress.frames / max(1, run.frames))
        context.progress.speed = progress.speed

    try:
        await run_ffmpeg(
            [worker.tools.ffmpeg, *encode_chunk(run, context.folder)],
            context.folder,
            # The last frame may be repeated a few times.
            limits(source, worker.tools, seconds, urgent=urgent, frames=run.frames + 8),
            progressed,
        )
    except RunFailed as error:
        raise classify_failure(error, source) from error
    tracks = await asyncio.gather(
        *(_store(worker, context, run, rendition.name) for rendition in run.renditions)
    )
    sprite: StoredObject | None = None
    if plan.renditions[-1] in run.renditions:
        sprite = await _store_sprite(worker, context, run)
    elapsed = max(1, context.elapsed_ms)
    return ChunkEncoded(
        video_id=task.video_id,
        attempt=task.attempt,
        chunk=chunk.index,
        tracks=tuple(tracks),
        worker=worker.name,
        try_number=task.tries,
        elapsed_ms=elapsed,
        speed=round(1000 * seconds / elapsed, 3),
        sprite=sprite,
    )


async def _open(
    worker: WorkerContext, context: TaskContext, video: VideoTrack, chunk: Chunk, line: Timeline
) -> Input:
    """The part of the source that this chunk needs. Its times are the file's, not the output's."""
    gap = video.longest_frame_ms / 1000
    known = await worker.sources.indexed(context.source_key)
    if known is None:
        return await worker.sources.open_whole(context.source_key)
    begin = known.index.start + read_from(chunk, line, video)
    end = (
        known.index.start + float((chunk.first_frame + (chunk.frames or 0)) / line.frame_rate) + gap
    )
    return await worker.sources.open_range(
        context.source_key, context.folder, begin, end, video.stream
    )


async def _store(
    worker: WorkerContext, context: TaskContext, run: ChunkRun, name: str
) -> EncodedTrack:
    data = await asyncio.to_thread(_read, context.folder / f"{name}.mp4")
    try:
        init = fragment_reader.read_init_segment(data)
        track = fragment_reader.read_track(init)
        found = fragment_reader.read_fragments(data)
    except boxes.MalformedMp4 as error:
        raise damaged(run) from error
    body, segments = cut(data, found, run.chunk, run.line)
    check(run, segments, found)
    folder = f"{context.prefix}/{name}"
    init_key, mark = await publish_init(worker.media, folder, init, "video/mp4")
    if name == run.renditions[-1].name:
        await asyncio.to_thread((context.folder / _OWN_PART).write_bytes, init + body)
    stored = await publish_segments(worker.media, folder, run.chunk.index, body, "video/mp4")
    return encoded_track(
        name,
        track.timescale,
        track.codecs,
        (init_key, mark, len(init)),
        stored=stored,
        segments=segments,
    )


async def _store_sprite(
    worker: WorkerContext, context: TaskContext, run: ChunkRun
) -> StoredObject | None:
    """Store the chunk's sprite. Where that fails the video goes without it."""
    layout = sheet(context.plan, run.chunk)
    source, target = context.folder / _OWN_PART, context.folder / "sprite.webp"
    local = Input(str(source), remote=False)
    try:
        await run_ffmpeg(
            [worker.tools.ffmpeg, *sprite_arguments(source, layout, target)],
            context.folder,
            limits(local, worker.tools, 1.0, urgent=True),
        )
        data = await asyncio.to_thread(target.read_bytes)
    except (RunFailed, FileNotFoundError) as error:
        _log.warning("no sprite for a chunk", task=context.task.task_id, error=str(error))
        return None
    key = sprite_key(context.prefix, run.chunk.index)
    return await publish_object(worker.media, key, data, "image/webp")


def _read(path: Path) -> bytes:
    return path.read_bytes()


def cut(
    data: bytes, found: list[fragment_reader.Fragment], chunk: Chunk, line: Timeline
) -> tuple[bytes, tuple[Segment, ...]]:
    """The chunk's own fragments, without the warm-up: their bytes, and the segments in them."""
    start = chunk.first_frame * line.frame_ticks
    own = (fragment for fragment in found if fragment.start >= start)
    return pack_segments(
        (
            Segment(
                index=chunk.first_segment + place,
                start=fragment.start,
                duration=fragment.duration,
                size=fragment.size,
                key_bytes=fragment.key_bytes,
            ),
            data[fragment.offset : fragment.offset + fragment.size],
        )
        for place, fragment in enumerate(own)
    )


def check(
    run: ChunkRun, segments: tuple[Segment, ...], found: list[fragment_reader.Fragment]
) -> None:
    """Check that no frame is missing or doubled, and that segments begin right with a key frame.

    Only the last chunk may be shorter than planned, because containers sometimes state an end that
    is a little too late. Raises MediaRejected, TaskFailed.
    """
    line, chunk = run.line, run.chunk
    if not segments:
        raise damaged(run)
    ticks = sum(segment.duration for segment in segments)
    frames, rest = divmod(ticks, line.frame_ticks)
    planned = chunk.frames or 0
    last_segment = chunk.first_segment + chunk.segments - 1
    slack = chunk.first_frame + planned - line.first_frame(last_segment) if run.last else 0
    if rest or frames > planned or frames < planned - slack:
        raise damaged(run)
    for segment in segments:
        if segment.start != line.first_frame(segment.index) * line.frame_ticks:
            raise failed("encoder.timing")
    if not all(fragment.keyframe for fragment in found):
        raise failed("encoder.keyframes")


def damaged(run: ChunkRun) -> MediaRejected:
    """The error for a chunk of the source that cannot be decoded."""
    start = run.chunk.first_frame / run.line.frame_rate
    minutes, seconds = divmod(int(start), 60)
    return rejected("media.damaged", at=f"{minutes}:{seconds:02d}")
