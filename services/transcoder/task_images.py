"""The images task: a poster that shows something, and the table of the storyboard."""

import asyncio
import io
from pathlib import Path
from typing import Final

from PIL import Image, ImageStat

from services.transcoder.ffmpeg import Input
from services.transcoder.ffmpeg_images import stills, waveform
from services.transcoder.media_errors import TaskFailed
from services.transcoder.process import RunFailed, run_ffmpeg
from services.transcoder.source import blame, open_source
from services.transcoder.storyboard import CONTENT_TYPE, storyboard_key, webvtt
from services.transcoder.tasks import IMMUTABLE, Job, Workplace, digest, limits
from shared.contracts import ThumbnailsCreated, TranscodePlanned

# Where to look, as parts of the whole: openings and endings are often black or text.
_PLACES: Final = (0.1, 0.25, 0.45, 0.65, 0.85)
_LONG_SIDE: Final = 1280
_QUALITY: Final = 80


async def make_images(place: Workplace, job: Job) -> ThumbnailsCreated:
    """Raises MediaRejected, TaskFailed."""
    plan, task = job.plan, job.task
    source = await open_source(place.sources, task.source_key)
    taken = await _stills(place, job, plan, source)
    if not taken:
        raise TaskFailed("media.no_still", "No picture could be taken from the video.")
    poster = await asyncio.to_thread(choose, taken)
    key = f"{job.prefix}/poster-{digest(poster)[:12]}.webp"
    await place.media.put(key, poster, "image/webp", IMMUTABLE)
    storyboard: str | None = None
    if plan.renditions:
        # Its sprites come with the chunks; which, and where, the plan says already.
        storyboard = storyboard_key(job.prefix)
        text = webvtt(plan).encode()
        await place.media.put(storyboard, text, CONTENT_TYPE, IMMUTABLE)
    return ThumbnailsCreated(
        video_id=task.video_id,
        attempt=task.attempt,
        poster_key=key,
        storyboard_key=storyboard,
        worker=place.worker,
    )


async def _stills(place: Workplace, job: Job, plan: TranscodePlanned, source: Input) -> list[Path]:
    """Candidates; one that cannot be taken is left out as long as there is another."""
    video = plan.source.video
    if video is None:
        arguments = waveform(source, job.folder / "still-0.png")
    else:
        seconds = plan.source.duration_ms / 1000
        times = [seconds * part for part in _PLACES]
        arguments = stills(source, video, times, job.folder, long_side=_LONG_SIDE)
    problem: RunFailed | None = None
    try:
        await run_ffmpeg(
            [place.tools.ffmpeg, *arguments],
            job.folder,
            limits(source, place.tools, 1.0, urgent=True),
        )
    except RunFailed as error:
        problem = error
    taken = sorted(path for path in job.folder.glob("still-*.png") if path.stat().st_size)
    if not taken and problem is not None:
        raise blame(problem, source) from problem
    return taken


def choose(taken: list[Path]) -> bytes:
    """The liveliest of some pictures, as WebP."""
    pictures = [Image.open(path).convert("RGB") for path in taken]
    best = max(pictures, key=liveliness)
    answer = io.BytesIO()
    best.save(answer, "WEBP", quality=_QUALITY, method=4)
    return answer.getvalue()


def liveliness(picture: Image.Image) -> float:
    """How much there is to see: contrast, less for a picture that is nearly black or white."""
    grey = ImageStat.Stat(picture.convert("L").resize((64, 64)))
    mean, deviation = grey.mean[0], grey.stddev[0]
    middle = 1.0 - abs(mean - 118.0) / 137.0
    return deviation * max(0.05, middle)
