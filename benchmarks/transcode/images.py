"""Poster, preview and storyboard beside the encode of the same film: CPU."""

import time
from pathlib import Path

import msgspec

from benchmarks.transcode.encode import cpu, parts, plan_source, run_arguments
from services.transcoder.encoding.ffmpeg import Input
from services.transcoder.encoding.ffmpeg_chunks import encode_chunk
from services.transcoder.encoding.ffmpeg_images import sprite, stills
from services.transcoder.planning.storyboard import sheet
from services.transcoder.worker.task_images import LONG_SIDE, PLACES, animate, choose
from shared.contracts import TranscodePlanned


class Share(msgspec.Struct, frozen=True):
    """CPU seconds."""

    images: float
    encode: float


def share(source: Path, folder: Path) -> Share:
    """Encode a film and make its pictures, as the workers do."""
    work = plan_source(source, folder)
    video = work.found.facts.video
    if video is None:
        raise ValueError("the source has no picture")
    plan = TranscodePlanned(
        video_id="v",
        user_id="u",
        attempt=1,
        prefix="v/a1",
        source=work.found.facts,
        renditions=work.renditions,
        chunks=work.planned,
        audio=(),
        segment_ms=work.line.segment_ms,
        encoder="x264 veryfast",
        worker="bench",
    )
    encode = images = 0.0
    lowest = folder / f"{work.renditions[-1].name}.mp4"
    for run in parts(work):
        before = cpu()
        run_arguments(encode_chunk(run, folder))
        encode += cpu() - before
        if work.renditions[-1] in run.renditions:
            before = cpu()
            run_arguments(sprite(lowest, sheet(plan, run.chunk), folder / "sprite.webp"))
            images += cpu() - before
    before, own = cpu(), time.process_time()
    seconds = work.found.duration or 0
    times = [seconds * part for part in PLACES]
    given = Input(str(source), remote=False)
    run_arguments(stills(given, video, times, folder, long_side=LONG_SIDE))
    taken = sorted(folder.glob("still-*.ppm"))
    choose(taken)
    animate(taken)
    images += cpu() - before + time.process_time() - own
    return Share(images, encode)
