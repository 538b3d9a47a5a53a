"""The arguments of the ffmpeg runs that make still pictures. Pure."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from services.transcoder.encoding.colour_filters import in_output_colours
from services.transcoder.encoding.ffmpeg import Input, picture_of, placed, quiet, sound_of
from services.transcoder.encoding.picture_filters import deinterlace_still, input_options, turn
from services.transcoder.planning.probe_report import MAX_PIXELS
from services.transcoder.planning.storyboard import Sheet
from shared.contracts import AudioTrack, VideoTrack

# Ten are asked for; rounding adds one at each end.
_MOMENTS: Final = 12


def stills(
    source: Input, video: VideoTrack, times: Sequence[float], folder: Path, *, long_side: int
) -> list[str]:
    """ffmpeg: write the key frames at or before ``times`` (seconds) to ``folder/still-NN.ppm``.

    The pictures are upright with square pixels. One run reads the source once per time.
    """
    picture = _picture(video, long_side)
    arguments = [*quiet(), "-max_pixels", str(MAX_PIXELS)]
    for time in times:
        arguments += ["-skip_frame", "nokey", "-noaccurate_seek", "-ss", f"{time:.3f}"]
        arguments += [*source.options(), *input_options(video), "-i", source.location]
    for number in range(len(times)):
        arguments += ["-map", f"{number}:{picture_of(video)}", "-vf", picture]
        # Otherwise ffmpeg drops a key frame from before the requested time.
        arguments += ["-fps_mode", "passthrough", "-frames:v", "1", "-f", "image2", "-c:v", "ppm"]
        arguments += ["-update", "1", str(folder / f"still-{number:02d}.ppm")]
    return arguments


def moments(
    source: Input, video: VideoTrack, rate: float, folder: Path, *, long_side: int
) -> list[str]:
    """ffmpeg: like ``stills``, but ``rate`` pictures per second, key frames or not."""
    arguments = [*quiet(), "-max_pixels", str(MAX_PIXELS), *source.options()]
    arguments += [*input_options(video), "-i", source.location, "-map", f"0:{picture_of(video)}"]
    # A frame that lasts much longer than the rate says would be scaled a thousand times.
    first = f"fps={rate:.6f}:round=down,trim=end_frame={_MOMENTS}"
    arguments += ["-vf", f"{first},{_picture(video, long_side)}"]
    arguments += ["-f", "image2", "-c:v", "ppm"]
    return [*arguments, str(folder / "still-%02d.ppm")]


def _picture(video: VideoTrack, long_side: int) -> str:
    scale = min(1.0, long_side / max(video.width, video.height))
    # The filters of colours take even sizes only.
    width, height = (max(2, 2 * round(side * scale / 2)) for side in (video.width, video.height))
    size = f"scale={width}:{height}"
    first = [*deinterlace_still(video), *turn(video)]
    # From the colours of the renditions to red, green and blue.
    seen = "scale=in_color_matrix=bt709:in_range=tv"
    return ",".join([*first, *in_output_colours(video, size), seen, "setsar=1", "format=rgb24"])


def sprite(source: Path, layout: Sheet, target: Path) -> list[str]:
    """ffmpeg: tile the key frames of an encoded chunk into one WebP picture."""
    grid = f"tile={layout.columns}x{layout.rows}:nb_frames={layout.tiles}"
    picked = f"select=not(mod(n\\,{layout.step}))"
    return [
        *quiet(),
        "-skip_frame",
        "nokey",
        *Input(str(source), remote=False).options(),
        "-i",
        str(source),
        "-vf",
        # WebP stores BT.601.
        f"{picked},scale={layout.width}:{layout.height}:out_color_matrix=bt601,{grid}",
        "-fps_mode",
        "passthrough",
        "-frames:v",
        "1",
        "-f",
        "image2",
        "-c:v",
        "libwebp",
        "-quality",
        "60",
        "-update",
        "1",
        str(target),
    ]


def cover(source: Input, stream: int, target: Path) -> list[str]:
    """ffmpeg: write the cover of a source as a film of one frame, at most of the largest size."""
    sides = (
        "scale=w='if(gte(iw,ih),min(1920,iw),min(1080,iw))'"
        ":h='if(gte(iw,ih),min(1080,ih),min(1920,ih))'"
        ":force_original_aspect_ratio=decrease:force_divisible_by=2:out_range=tv"
    )
    arguments = [*quiet(), "-max_pixels", str(MAX_PIXELS), *source.options()]
    arguments += ["-i", source.location, "-map", f"0:{stream}", "-vf", f"{sides},setsar=1"]
    return [*arguments, *_FILM, str(target)]


# A film of one frame that lasts a second. Otherwise MP4 would take it for a cover again.
_FILM: Final = (
    *("-disposition:v", "0"),
    *("-frames:v", "1", "-r", "1", "-c:v", "libx264", "-preset", "veryfast", "-crf", "12"),
    *("-pix_fmt", "yuv420p", "-map_metadata", "-1", "-map_chapters", "-1", "-f", "mp4"),
)


def waveform(source: Input, sound: AudioTrack, target: Path, *, film: bool = False) -> list[str]:
    """ffmpeg: draw the waveform of the first minute, for a source without a picture.

    ``film``: as a film of one frame.
    """
    steps = (
        *placed(sound),
        # Sound shorter than a sample for each column gives no picture.
        "aformat=channel_layouts=mono,apad=whole_len=1280",
        "showwavespic=s=1280x720:colors=0x7C9CF5",
    )
    form = _FILM if film else ("-frames:v", "1", "-f", "image2", "-c:v", "ppm", "-update", "1")
    return [
        *quiet(),
        "-t",
        "60",
        *source.options(),
        "-i",
        source.location,
        "-filter_complex",
        f"[0:{sound_of(sound)}]{','.join(steps)}[wave]",
        "-map",
        "[wave]",
        *form,
        str(target),
    ]
