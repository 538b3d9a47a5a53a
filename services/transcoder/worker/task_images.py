"""The images task: makes the poster, the animated preview and the storyboard's WebVTT file."""

import asyncio
import io
from pathlib import Path
from typing import Final

from PIL import Image, ImageStat

from services.transcoder.encoding.ffmpeg import Input
from services.transcoder.encoding.ffmpeg_images import moments, stills, waveform
from services.transcoder.encoding.probe import classify_failure
from services.transcoder.object_keys import storyboard_key
from services.transcoder.planning.media_errors import failed
from services.transcoder.planning.storyboard import CONTENT_TYPE, webvtt
from services.transcoder.worker.context import (
    TaskContext,
    WorkerContext,
    digest,
    limits,
    publish_object,
)
from shared.contracts import StoredObject, ThumbnailsCreated, TranscodePlanned
from shared.programs.process import RunFailed, run_ffmpeg

# Positions of the stills relative to the duration. Starts and ends are often black or text.
PLACES: Final = (0.06, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.94)
LONG_SIDE: Final = 1280
_QUALITY: Final = 80
# A source up to this length may have few key frames, and is decoded as a whole.
_SHORT_SECONDS: Final = 30.0

_PREVIEW_SIDE: Final = 320
_PREVIEW_QUALITY: Final = 50
_PREVIEW_FRAME_MS: Final = 350
# A preview needs at least this many different pictures.
_PREVIEW_LEAST: Final = 3


async def make_images(worker: WorkerContext, context: TaskContext) -> ThumbnailsCreated:
    """Make and store all pictures of a video. Raises MediaRejected, TaskFailed."""
    plan, task = context.plan, context.task
    source = await worker.sources.open_whole(context.source_key)
    taken = await _stills(worker, context, plan, source)
    if not taken and plan.source.video is not None:
        # A frame that is shown for a moment only is at none of the times.
        first = stills(source, plan.source.video, [0.0], context.folder, long_side=LONG_SIDE)
        taken = await _taken(worker, context, source, first)
    if not taken:
        raise failed("media.no_still")
    poster = await _store(worker, context, "poster", await asyncio.to_thread(choose, taken))
    film = await asyncio.to_thread(animate, taken)
    preview = await _store(worker, context, "preview", film) if film else None
    storyboard: StoredObject | None = None
    if plan.renditions:
        # Video tasks make the sprites; their number and keys follow from the plan.
        key = storyboard_key(context.prefix)
        storyboard = await publish_object(worker.media, key, webvtt(plan).encode(), CONTENT_TYPE)
    return ThumbnailsCreated(
        video_id=task.video_id,
        attempt=task.attempt,
        poster_key=poster.key,
        storyboard_key=storyboard.key if storyboard else None,
        preview_key=preview.key if preview else None,
        worker=worker.name,
        objects=tuple(each for each in (poster, storyboard, preview) if each),
    )


async def _stills(
    worker: WorkerContext, context: TaskContext, plan: TranscodePlanned, source: Input
) -> list[Path]:
    """Take the stills; one that fails is left out as long as another succeeds."""
    video = plan.source.video
    if video is None:
        arguments = waveform(source, plan.audio[0], context.folder / "still-0.ppm")
    else:
        seconds = max(1, video.length_ms or plan.source.duration_ms) / 1000
        times = [seconds * part for part in PLACES]
        if seconds <= _SHORT_SECONDS:
            rate = len(times) / seconds
            arguments = moments(source, video, rate, context.folder, long_side=LONG_SIDE)
        else:
            arguments = stills(source, video, times, context.folder, long_side=LONG_SIDE)
    return await _taken(worker, context, source, arguments)


async def _taken(
    worker: WorkerContext, context: TaskContext, source: Input, arguments: list[str]
) -> list[Path]:
    """The stills that a run of ffmpeg leaves. Raises MediaRejected, TaskFailed."""
    problem: RunFailed | None = None
    try:
        await run_ffmpeg(
            [worker.tools.ffmpeg, *arguments],
            context.folder,
            limits(source, worker.tools, 1.0, urgent=True),
        )
    except RunFailed as error:
        problem = error
    taken = sorted(path for path in context.folder.glob("still-*.ppm") if path.stat().st_size)
    if not taken and problem is not None:
        raise classify_failure(problem, source) from problem
    return taken


async def _store(
    worker: WorkerContext, context: TaskContext, name: str, data: bytes
) -> StoredObject:
    key = f"{context.prefix}/{name}-{digest(data)[:12]}.webp"
    return await publish_object(worker.media, key, data, "image/webp")


def animate(taken: list[Path]) -> bytes | None:
    """A small animated WebP of the stills; None where too few of them differ."""
    pictures: list[Image.Image] = []
    for path in taken:
        picture = _opened(path)
        picture.thumbnail((_PREVIEW_SIDE, _PREVIEW_SIDE))
        # Times that share a key frame give the same picture.
        if not pictures or picture.tobytes() != pictures[-1].tobytes():
            pictures.append(picture)
    if len(pictures) < _PREVIEW_LEAST:
        return None
    answer = io.BytesIO()
    pictures[0].save(
        answer,
        "WEBP",
        save_all=True,
        append_images=pictures[1:],
        duration=_PREVIEW_FRAME_MS,
        loop=0,
        quality=_PREVIEW_QUALITY,
        method=2,
    )
    return answer.getvalue()


def choose(taken: list[Path]) -> bytes:
    """The still with the highest ``liveliness``, as WebP."""
    pictures = [_opened(path) for path in taken]
    best = max(pictures, key=liveliness)
    answer = io.BytesIO()
    best.save(answer, "WEBP", quality=_QUALITY, method=4)
    return answer.getvalue()


def _opened(path: Path) -> Image.Image:
    # The file comes out of a decoder's sandbox, so no other reader of Pillow may look at it.
    return Image.open(path, formats=("PPM",)).convert("RGB")


def liveliness(picture: Image.Image) -> float:
    """The contrast of a picture, reduced where it is nearly black or white."""
    grey = ImageStat.Stat(picture.convert("L").resize((64, 64)))
    mean, deviation = grey.mean[0], grey.stddev[0]
    middle = 1.0 - abs(mean - 118.0) / 137.0
    return deviation * max(0.05, middle)
