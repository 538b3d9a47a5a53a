"""Decodes some frames of an interlaced source, to see how its fields belong together."""

from pathlib import Path
from typing import Final

from services.transcoder.encoding.ffmpeg import Input, picture_of
from services.transcoder.planning.fields import read_frames, with_fields
from services.transcoder.planning.probe_report import MAX_PIXELS, ProbedSource
from shared.contracts import VideoTrack
from shared.programs.confinement import Limits
from shared.programs.process import OutputTooLarge, RunFailed, run_ffprobe
from shared.telemetry import get_logger

_log = get_logger(__name__)

# Where to look, relative to the length, and at how many frames each time.
_PLACES: Final = (0.1, 0.5, 0.8)
_FRAMES: Final = 50
_SHORT_SECONDS: Final = 10.0
_SHORT_FRAMES: Final = 200
_SECONDS: Final = 60.0


async def look_at_fields(
    ffmpeg: str, source: Input, found: ProbedSource, folder: Path, memory_bytes: int
) -> ProbedSource:
    """The facts of a source, with its fields if it is interlaced.

    Where nothing can be decoded here, the file is believed; the tasks will say what is wrong.
    """
    video = found.facts.video
    if video is None or not video.interlaced:
        return found
    limits = Limits(
        seconds=_SECONDS,
        cpu_seconds=int(_SECONDS),
        memory_bytes=memory_bytes,
        file_bytes=0,
        port=source.port,
        nice=0,
    )
    seconds = found.duration or 0.0
    places = [(0.0, _SHORT_FRAMES)]
    if seconds > _SHORT_SECONDS and found.seekable:
        places = [(seconds * place, _FRAMES) for place in _PLACES]
    text = b""
    for start, frames in places:
        try:
            arguments = detect(source, video, start, frames)
            text += await run_ffprobe([ffmpeg, *arguments], folder, limits)
        except (RunFailed, OutputTooLarge) as error:
            _log.info("fields not looked at", at=start, error=str(error))
    return with_fields(found, read_frames(text.decode(errors="replace")))


def detect(source: Input, video: VideoTrack, start: float, frames: int) -> list[str]:
    """ffmpeg: print what its detector says of ``frames`` frames from ``start`` seconds on."""
    keys = ("lavfi.idet.single.current_frame", "lavfi.idet.repeated.current_frame")
    printed = ",".join(f"metadata=mode=print:key={key}:file=-" for key in keys)
    arguments = ["-nostdin", "-hide_banner", "-nostats", "-v", "error"]
    arguments += ["-max_pixels", str(MAX_PIXELS), "-noautorotate"]
    if start:
        arguments += ["-ss", f"{start:.3f}"]
    arguments += [*source.options(), "-i", source.location, "-map", f"0:{picture_of(video)}"]
    arguments += ["-frames:v", str(frames), "-vf", f"idet,{printed}"]
    return [*arguments, "-f", "null", "-"]
