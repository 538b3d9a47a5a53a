"""Files of many kinds, made by ffmpeg from nothing: one recipe for each kind.

A recipe writes its file into a folder and returns it. Pictures are small and a few seconds long.
"""

import math
import re
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.integration.transcoder.clips import ffmpeg

Recipe = Callable[[Path], Path]

X264: Final = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
# At its usual speed it takes ten times as long.
VP8: Final = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "300k")


def picture(size: str = "192x108", rate: str = "25", seconds: float = 3) -> tuple[str, ...]:
    """ffmpeg's options for a moving test picture."""
    return ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}")


def tone(frequency: int = 440, seconds: float = 3) -> tuple[str, ...]:
    """ffmpeg's options for a tone."""
    return ("-f", "lavfi", "-i", f"sine=frequency={frequency}:duration={seconds}")


def made(name: str, *options: str) -> Recipe:
    """The recipe of a file ``name`` that one run of ffmpeg with ``options`` makes."""

    def write(folder: Path) -> Path:
        ffmpeg(*options, str(folder / name))
        return folder / name

    return write


def joined(name: str, *parts: tuple[str, ...]) -> Recipe:
    """The recipe of a file that consists of files one after the other, as ``cat`` joins them."""

    def write(folder: Path) -> Path:
        target = folder / name
        with target.open("wb") as file:
            for number, options in enumerate(parts):
                part = folder / f"part-{number}{target.suffix}"
                ffmpeg(*options, str(part))
                file.write(part.read_bytes())
        return target

    return write


ORDINARY: Final[dict[str, Recipe]] = {
    "mp4": made("a.mp4", *picture(), *tone(), *X264, "-c:a", "aac"),
    "mp4 in index order": made("a.mp4", *picture(), *tone(), *X264, "-movflags", "+faststart"),
    "mp4 that fits": made(
        "a.mp4",
        *picture("640x360", "30", 5),
        *tone(seconds=5),
        *("-c:v", "libx264", "-preset", "superfast", "-pix_fmt", "yuv420p", "-g", "60"),
    ),
    "mov with pcm": made("a.mov", *picture(), *tone(), *X264, "-c:a", "pcm_s16le"),
    "mkv": made("a.mkv", *picture(), *tone(), *X264, "-c:a", "libopus"),
    "webm": made("a.webm", *picture(), *tone(), *VP8, "-c:a", "libvorbis"),
    "ts": made("a.ts", *picture(), *tone(), *X264, "-c:a", "aac"),
    "avi": made("a.avi", *picture(), *tone(), "-c:v", "mpeg4", "-c:a", "libmp3lame"),
    "flv": made("a.flv", *picture(), *tone(), *X264, "-c:a", "aac"),
    "mpeg": made("a.mpg", *picture(), *tone(), "-c:v", "mpeg2video", "-c:a", "mp2"),
    "upright": made("a.mp4", *picture("108x192"), *tone(), *X264, "-c:a", "aac"),
    "odd width": made("a.webm", *picture("160x90"), "-vf", "setsar=4/3", *VP8),
    "no sound": made("a.mp4", *picture(), *X264),
    "two sounds": made(
        "a.mp4",
        *picture(),
        *tone(440),
        *tone(880),
        *("-map", "0:v", "-map", "1:a", "-map", "2:a", *X264, "-c:a", "aac"),
    ),
    "variable rate": made(
        "a.mp4",
        *picture(rate="30"),
        *("-vf", "select='lt(mod(n,10),4)'", "-fps_mode", "vfr", *X264),
    ),
}
"""Kinds that have always been right."""


def with_unknown_sound(name: str, *, first: bool) -> Recipe:
    """The recipe of a film with two sound tracks, of which one is in a codec that none decodes."""

    def write(folder: Path) -> Path:
        options = (*picture(), *tone(440), *tone(880), "-map", "0:v", "-map", "1:a", "-map", "2:a")
        target = made(name, *options, *X264, "-c:a", "aac", "-f", "mov")(folder)
        data = bytearray(target.read_bytes())
        # The codec's parameters become a box of no meaning, and its code, which stands up to three
        # times in the sample entry, one that no decoder has.
        parameters = [at.start() for at in re.finditer(b"esds", data)][0 if first else 1]
        data[parameters : parameters + 4] = b"free"
        entry = data.rindex(b"stsd", 0, parameters)
        data[entry:parameters] = data[entry:parameters].replace(b"mp4a", b"apac")
        target.write_bytes(data)
        return target

    return write


def many_channels(count: int) -> Recipe:
    """The recipe of sound of so many channels, which does not say where they belong."""

    def write(folder: Path) -> Path:
        target = folder / "a.wav"
        with wave.open(str(target), "wb") as file:
            file.setnchannels(count)
            file.setsampwidth(2)
            file.setframerate(8000)
            for number in range(16_000):
                heard = round(8000 * math.sin(number * math.tau * 440 / 8000))
                file.writeframes(
                    heard.to_bytes(2, "little", signed=True) * 2 + bytes(2 * count - 4)
                )
        return target

    return write


def _film_with(sound: Recipe) -> Recipe:
    """The recipe of a film with a sound."""

    def write(folder: Path) -> Path:
        heard = ("-i", str(sound(folder)), "-c:a", "copy", "-t", "2")
        return made("a.mov", *picture(), *heard, *X264)(folder)

    return write


def _turned_png(folder: Path) -> Path:
    wide = made("wide.mov", *picture("160x90", seconds=1), "-vf", "setsar=4/3", "-c:v", "png")
    turned = ("-display_rotation", "90", "-i", str(wide(folder)), "-c", "copy")
    return made("a.mov", *turned)(folder)


COVER: Final = ("-f", "lavfi", "-i", "mandelbrot=size=300x300:rate=1,trim=end_frame=1")
COVERED: Final = ("-map", "0:a", "-map", "1:v", "-disposition:v", "attached_pic")
STILL: Final = ("-f", "lavfi", "-i", "testsrc2=size=192x192:rate=1:duration=1")

ODD: Final[dict[str, Recipe]] = {
    "one picture and a song": made("a.mp4", *STILL, *tone(seconds=9), *X264, "-c:a", "aac"),
    "one picture and a song in ts": made("a.ts", *STILL, *tone(seconds=9), *X264, "-c:a", "aac"),
    "one picture and a song in mkv": made("a.mkv", *STILL, *tone(seconds=9), *X264),
    "a film of a second and a long song": made(
        "a.mp4", *picture(seconds=1), *tone(seconds=16), *X264, "-c:a", "aac"
    ),
    "a film that ends within a segment": made(
        "a.mkv", *picture(seconds=5.3), *tone(seconds=11), *X264, "-g", "30"
    ),
    "sound shorter than the picture": made(
        "a.mp4", *picture(seconds=6), *tone(seconds=2), *X264, "-c:a", "aac"
    ),
    "sound that begins late": made(
        "a.mp4", *picture(seconds=4), "-itsoffset", "1.5", *tone(seconds=2), *X264, "-c:a", "aac"
    ),
    "two sounds that begin at different times in ogg": made(
        "a.ogv",
        *(*picture(seconds=2), "-itsoffset", "0.6", *tone(330, 3), *tone(660, 3)),
        *("-map", "0", "-map", "1", "-map", "2", "-c:v", "libtheora", "-c:a", "libopus"),
    ),
    "sound that begins before the picture": made(
        "a.mkv", *tone(seconds=4), "-itsoffset", "1", *picture(seconds=3), *X264
    ),
    "sounds alone of which the first begins late": made(
        "a.mp4",
        *("-itsoffset", "3", *tone(330, 1.5), *tone(660, 1.2), "-map", "0", "-map", "1"),
        *("-c:a", "libopus"),
    ),
    "m4a": made("a.m4a", *tone(seconds=5), "-c:a", "aac"),
    "m4a with cover": made(
        "a.m4a", *tone(seconds=9), *COVER, *COVERED, "-c:a", "aac", "-c:v", "png"
    ),
    "mp3 with cover": made(
        "a.mp3", *tone(seconds=9), *COVER, *COVERED, "-c:v", "mjpeg", "-pix_fmt", "yuvj420p"
    ),
    "flac with cover": made("a.flac", *tone(seconds=5), *COVER, *COVERED, "-c:v", "png"),
    "wav": made("a.wav", *tone(seconds=5)),
    "wav of nine channels": many_channels(9),
    "film with thirty-two channels": _film_with(many_channels(32)),
    "ogg": made("a.ogg", *tone(seconds=5), "-c:a", "libvorbis"),
    "flac of six channels": made("a.flac", *tone(seconds=2), "-ac", "6"),
    "avi with pictures left out": made(
        "a.avi",
        *picture("128x128", "5", 5),
        *tone(seconds=5),
        *("-vf", "select='lt(mod(n,10),4)'", "-fps_mode", "vfr", *X264, "-bf", "0"),
        *("-c:a", "libmp3lame"),
    ),
    "flv with a pause among reordered pictures": made(
        "a.flv",
        *(*picture("96x160", "12", 1.2), *tone(seconds=8), *X264, "-bf", "2", "-c:a", "aac"),
        *("-vf", "setpts='PTS+gte(T,0.6)*7/TB'", "-fps_mode", "vfr"),
    ),
    "wmv whose sound begins later than its picture": made(
        "a.wmv",
        *picture(rate="50", seconds=2),
        *tone(seconds=2),
        *("-vf", "select='lt(mod(n,7),4)'", "-fps_mode", "vfr"),
        *("-c:v", "wmv2", "-q:v", "3", "-c:a", "wmav2"),
    ),
    # ffprobe does not decode these, and only decoded they say that their pixels are not square.
    "apng of wide pixels": made("a.apng", *picture("160x90"), "-vf", "setsar=4/3", "-c:v", "apng"),
    "turned pictures of wide pixels in png": _turned_png,
    "sound alone in mkv": made("a.mka", *tone(seconds=5), "-c:a", "libopus"),
    "unknown sound after the good one": with_unknown_sound("a.mov", first=False),
    "unknown sound before the good one": with_unknown_sound("a.mov", first=True),
    "second picture is the default": made(
        "a.mkv",
        *picture(),
        *("-f", "lavfi", "-i", "mandelbrot=size=192x108:rate=25"),
        *tone(),
        *("-map", "0:v", "-map", "1:v", "-map", "2:a", *X264, "-t", "3"),
        *("-disposition:v:0", "0", "-disposition:v:1", "default"),
    ),
    "cover before the film": made(
        "a.mkv",
        *("-f", "lavfi", "-i", "color=red:size=200x200"),
        *picture(),
        *tone(),
        *("-map", "0:v", "-map", "1:v", "-map", "2:a", "-t", "3", *X264),
        *("-c:v:0", "mjpeg", "-pix_fmt:v:0", "yuvj420p", "-disposition:v:0", "attached_pic"),
    ),
}
"""Kinds of which each was once refused or wrong."""

FILES: Final = ORDINARY | ODD
