"""Files as phones, cameras, recorders and browsers write them."""

import re
import struct
from pathlib import Path
from typing import Final

from tests.integration.transcoder.clips import ffmpeg
from tests.media.made_files import X264, Recipe, made, picture, tone

_SOURCES: Final = (*picture(), *tone())
_LONG: Final = (*picture(seconds=6), *tone(seconds=6))


def appended(recipe: Recipe, tail: bytes) -> Recipe:
    """The recipe of a file that other bytes follow."""

    def write(folder: Path) -> Path:
        target = recipe(folder)
        with target.open("ab") as file:
            file.write(tail)
        return target

    return write


def with_readings(name: str, *options: str) -> Recipe:
    """The recipe of a file with a track of readings (GPS, gyroscope) beside picture and sound."""

    def write(folder: Path) -> Path:
        lines, target = folder / "a.srt", folder / name
        lines.write_text("1\n00:00:00,100 --> 00:00:09,000\nDEVC\n")
        ffmpeg(
            *(*_SOURCES, "-i", str(lines), "-map", "0:v", "-map", "1:a", "-map", "2:s"),
            *(*X264, "-c:a", "aac", "-c:s", "mov_text", *options, str(target)),
        )
        data = target.read_bytes().replace(b"tx3g", b"gpmd").replace(b"sbtl", b"meta")
        target.write_bytes(data)
        return target

    return write


def attached(name: str) -> Recipe:
    """The recipe of a Matroska file with a font, subtitles and chapters."""

    def write(folder: Path) -> Path:
        font, lines, chapters = folder / "font.ttf", folder / "a.srt", folder / "chapters.txt"
        font.write_bytes(bytes(2000))
        lines.write_text("1\n00:00:00,500 --> 00:00:02,500\nHello\n")
        chapters.write_text(
            ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=One\n"
            "[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=9000\ntitle=Two\n"
        )
        target = folder / name
        ffmpeg(
            *(*_SOURCES, "-i", str(lines), "-i", str(chapters), "-map", "0:v", "-map", "1:a"),
            *("-map", "2:s", "-map_metadata", "3", *X264, "-c:a", "flac", "-c:s", "ass"),
            *("-attach", str(font), "-metadata:s:t", "mimetype=application/x-truetype-font"),
            str(target),
        )
        return target

    return write


def slowed(name: str) -> Recipe:
    """The recipe of a recording with 240 pictures a second, whose edit list begins after 1 s."""

    def write(folder: Path) -> Path:
        whole, target = folder / "whole.mp4", folder / name
        ffmpeg(*picture("192x108", "240", 3), *tone(), *X264, "-g", "60", "-c:a", "aac", str(whole))
        ffmpeg("-ss", "1.1", "-i", str(whole), "-c", "copy", str(target))
        return target

    return write


def with_repeated_fields(name: str) -> Recipe:
    """The recipe of film on NTSC video: 24 pictures a second, whose fields are shown 2 and 3 times.

    Flags of each picture say so (ISO/IEC 13818-2, 6.3.10).
    """

    def write(folder: Path) -> Path:
        stream, target = folder / "film.m2v", folder / name
        ffmpeg(
            *(*picture("192x108", "24000/1001", 4), "-vf", "setpts=N*1001/30000/TB"),
            *("-r", "30000/1001", "-c:v", "mpeg2video", "-bf", "0", "-b:v", "1M", str(stream)),
        )
        data = bytearray(stream.read_bytes())
        for number, found in enumerate(re.finditer(rb"\0\0\x01\xb5[\x80-\x8f]", bytes(data))):
            first, repeat = ((1, 1), (0, 0), (0, 1), (1, 0))[number % 4]
            flags = found.start() + 7
            data[flags] = data[flags] & 0x7D | first << 7 | repeat << 1
        for found in re.finditer(rb"\0\0\x01\xb5[\x10-\x1f]", bytes(data)):
            # The sequence is not of whole frames only.
            data[found.start() + 5] &= 0xF7
        stream.write_bytes(data)
        ffmpeg("-i", str(stream), *tone(seconds=4), "-c:v", "copy", "-c:a", "mp2", str(target))
        return target

    return write


_FREE: Final = struct.pack(">I4s", 4096, b"free") + bytes(4088)
_MP4: Final = made("a.mp4", *_SOURCES, *X264, "-c:a", "aac", "-movflags", "+faststart")

DEVICES: Final[dict[str, Recipe]] = {
    "free boxes and zeros behind an mp4": appended(_MP4, _FREE + bytes(50_000)),
    "240 pictures a second, trimmed": slowed("a.mov"),
    "readings": with_readings("a.mp4"),
    "attachments, subtitles and chapters": attached("a.mkv"),
    "hybrid mp4": made("a.mp4", *_LONG, *X264, "-g", "25", "-movflags", "+hybrid_fragmented"),
    "browser's webm with times before 0": made(
        "a.webm",
        *(*_SOURCES, "-c:v", "libvpx", "-b:v", "300k", "-c:a", "libopus", "-live", "1"),
        *("-avoid_negative_ts", "disabled", "-output_ts_offset", "-0.7"),
    ),
    "3gp with h263 and amr": made(
        "a.3gp",
        *picture("176x144", "15"),
        *tone(),
        "-c:v",
        "h263",
        "-ar",
        "8000",
        "-ac",
        "1",
        "-c:a",
        "libopencore_amrnb",
    ),
    "film with repeated fields": with_repeated_fields("a.mpg"),
    "two programs": made(
        "a.ts",
        *(*picture(), *picture("320x180"), *tone(), *tone(880), *X264, "-c:a", "aac"),
        *("-map", "0:v", "-map", "2:a", "-map", "1:v", "-map", "3:a"),
        *("-program", "title=one:st=0:st=1", "-program", "title=two:st=2:st=3"),
    ),
    "the second sound is the default": made(
        "a.mkv",
        *(*_SOURCES, *tone(880), "-map", "0:v", "-map", "1:a", "-map", "2:a", *X264),
        *("-c:a", "libopus", "-disposition:a:0", "0", "-disposition:a:1", "default"),
    ),
}

# Plain ffmpeg shows its still first, and its pictures as another track.
AVIF: Final = made(
    "a.avif", *picture(rate="10"), "-c:v", "libsvtav1", "-preset", "12", "-f", "avif"
)
