"""Files that are cut short, begin in the middle, or begin at another time than 0."""

import re
import struct
from pathlib import Path
from typing import Final

from tests.integration.transcoder.clips import ffmpeg
from tests.media.made_files import STILL, VP8, X264, Recipe, made, picture, tone

_MPEG4: Final = ("-c:v", "mpeg4", "-q:v", "4")
_SOURCES: Final = (*picture("160x90", seconds=6), *tone(seconds=6))


def cut(name: str, *options: str, part: float = 0.6, sources: tuple[str, ...] = _SOURCES) -> Recipe:
    """The recipe of the first ``part`` of a file."""

    def write(folder: Path) -> Path:
        whole, target = folder / f"whole-{name}", folder / name
        ffmpeg(*sources, *options, str(whole))
        data = whole.read_bytes()
        target.write_bytes(data[: int(len(data) * part)])
        return target

    return write


def preceded(name: str, junk: bytes, *options: str, drop: int = 0) -> Recipe:
    """The recipe of a file with other bytes before it, and without its first ``drop`` bytes."""

    def write(folder: Path) -> Path:
        whole, target = folder / f"whole-{name}", folder / name
        ffmpeg(*_SOURCES, *options, str(whole))
        target.write_bytes(junk + whole.read_bytes()[drop:])
        return target

    return write


def boxed(name: str, box: bytes) -> Recipe:
    """The recipe of an MP4 file with a box before its type, whose index counts it in."""

    def write(folder: Path) -> Path:
        whole, target = folder / "whole.mp4", folder / name
        ffmpeg(*_SOURCES, *X264, "-c:a", "aac", str(whole))
        data = bytearray(whole.read_bytes())
        for found in re.finditer(b"stco", bytes(data)):
            (count,) = struct.unpack_from(">I", data, found.end() + 4)
            places = struct.Struct(f">{count}I")
            offsets = places.unpack_from(data, found.end() + 8)
            places.pack_into(data, found.end() + 8, *(at + len(box) for at in offsets))
        target.write_bytes(box + data)
        return target

    return write


def live(name: str, first: int) -> Recipe:
    """The recipe of a stream's segments from number ``first`` on, behind its init segment."""

    def write(folder: Path) -> Path:
        segments = ("-f", "hls", "-hls_time", "2", "-hls_segment_type", "fmp4")
        names = ("-hls_fmp4_init_filename", "i.mp4", "-hls_segment_filename", "s%d.m4s")
        ffmpeg(
            *(*picture("160x90", seconds=10), *tone(seconds=10), *X264, "-g", "50", "-c:a", "aac"),
            *(*segments, *names, "-hls_list_size", "0", "p.m3u8"),
            cwd=folder,
        )
        parts = [folder / "i.mp4", *(folder / f"s{number}.m4s" for number in range(first, 5))]
        target = folder / name
        target.write_bytes(b"".join(part.read_bytes() for part in parts))
        return target

    return write


def shifted(name: str, picture_at: str, sound_at: str, *options: str) -> Recipe:
    """The recipe of a file whose tracks begin at different times, in seconds."""

    def write(folder: Path) -> Path:
        plain = str(folder / "plain.mp4")
        ffmpeg(*picture("160x90", seconds=4), *tone(seconds=4), *X264, "-c:a", "aac", plain)
        ffmpeg(
            *("-itsoffset", picture_at, "-i", plain, "-itsoffset", sound_at, "-i", plain),
            *("-map", "0:v", "-map", "1:a", "-c", "copy", *options, str(folder / name)),
        )
        return folder / name

    return write


_FRAGMENTS: Final = ("-movflags", "+frag_keyframe+empty_moov")

# They state a length that they do not have, and their uploaders are told.
CUT: Final[dict[str, Recipe]] = {
    "mp4, cut behind its index": cut("a.mp4", *X264, "-movflags", "+faststart"),
    "one picture and a song, cut": cut(
        "a.mp4",
        *(*X264, "-c:a", "aac", "-movflags", "+faststart"),
        sources=(*STILL, *tone(seconds=6)),
    ),
    "late sound, cut": cut(
        "a.mp4",
        *(*X264, "-c:a", "aac", "-movflags", "+faststart"),
        sources=(*picture("160x90", seconds=4), "-itsoffset", "2.5", *tone(seconds=4)),
        part=0.76,
    ),
    "mov with pcm, cut": cut("a.mov", *X264, "-c:a", "pcm_s16le", "-movflags", "+faststart"),
    "mkv, cut": cut("a.mkv", *X264, "-c:a", "libopus"),
    "webm, cut": cut("a.webm", *VP8, "-c:a", "libvorbis"),
    "flv, cut": cut("a.flv", *X264, "-c:a", "aac"),
    "mxf, cut": cut("a.mxf", "-c:v", "mpeg2video", "-c:a", "pcm_s16le", "-ar", "48000"),
    "flac, cut": cut("a.flac", "-vn"),
    "rm whose sound is longer, cut": cut(
        "a.rm",
        *("-c:v", "rv10", "-q:v", "4", "-c:a", "ac3", "-b:a", "192k"),
        sources=(*picture("176x144", seconds=2.5), *tone(seconds=6)),
        part=0.84,
    ),
}
# They state none, and are as long as they are.
OPEN_ENDED: Final[dict[str, Recipe]] = {
    "fragments, cut": cut("a.mp4", *X264, "-g", "25", "-c:a", "aac", *_FRAGMENTS),
    "ts, cut": cut("a.ts", *X264, "-c:a", "aac"),
    "mpeg, cut": cut("a.mpg", "-c:v", "mpeg2video", "-c:a", "mp2"),
    "avi without its index": cut("a.avi", *_MPEG4, "-c:a", "libmp3lame"),
    "ogg, cut": cut("a.ogv", "-c:v", "libtheora", "-c:a", "libvorbis"),
    "ts from mid-packet": preceded("a.ts", b"", *X264, "-c:a", "aac", drop=77),
    "mpeg with junk": preceded("a.mpg", b"\x9a" * 3000, "-c:v", "mpeg2video", "-c:a", "mp2"),
    "a box before ftyp": boxed("a.mp4", b"\0\0\0\x10free" + bytes(8)),
    "fragments from 6 s": live("a.mp4", 3),
    "ts from 2 h": made("a.ts", *_SOURCES, *X264, "-c:a", "aac", "-output_ts_offset", "7000"),
    "mkv from 12 s": made("a.mkv", *_SOURCES, *X264, "-output_ts_offset", "12"),
    "mp4 with an empty edit": made("a.mp4", *_SOURCES, *X264, "-output_ts_offset", "3"),
    "late picture": shifted("a.mp4", "1.5", "0"),
    "late sound in Matroska": shifted("a.mkv", "0", "1.5"),
    "h264 without a container": made("a.h264", *picture("160x90"), *X264),
    "gif": made("a.gif", *picture("160x90", rate="10")),
    "apng": made("a.png", *picture("96x54", rate="10"), "-f", "apng"),
    "dv": made("a.dv", *picture("720x576"), *tone(), "-ar", "48000", "-ac", "2"),
    "f4v": made("a.f4v", *_SOURCES, *X264, "-c:a", "aac", "-f", "f4v"),
}
