"""Files that change on the way: their clock jumps, their pictures or their sound become others."""

import struct
from pathlib import Path
from typing import Final

from tests.integration.transcoder.clips import ffmpeg
from tests.media.made_files import VP8, X264, Recipe, joined, picture, tone

AAC: Final = ("-g", "25", "-c:a", "aac")

_AAC: Final = ("-c:a", "aac")
_WEBM: Final = (*VP8, "-c:a", "libopus")


def _part(frequency: int, *options: str, size: str = "192x108") -> tuple[str, ...]:
    return (*picture(size), *tone(frequency), *X264, *AAC, *options)


def _old(frequency: int, *options: str) -> tuple[str, ...]:
    return (*picture("160x120"), *tone(frequency), "-c:v", "mpeg2video", "-b:v", "300k", *options)


def copied_together(name: str, *parts: tuple[str, ...], of: str) -> Recipe:
    """The recipe of a file with the packets of ``parts``, files of the type ``of``, one after the
    other on one clock."""

    def write(folder: Path) -> Path:
        listed: list[str] = []
        for number, options in enumerate(parts):
            ffmpeg(*options, str(folder / f"part-{number}.{of}"))
            listed.append(f"file part-{number}.{of}\n")
        (folder / "list").write_text("".join(listed))
        ffmpeg("-f", "concat", "-safe", "0", "-i", "list", "-c", "copy", name, cwd=folder)
        return folder / name

    return write


def edited(name: str, *edits: tuple[int, int]) -> Recipe:
    """The recipe of an MP4 file of pictures whose edit list shows parts of it: the length of each
    in milliseconds, and its first tick of 12,800 a second."""

    def write(folder: Path) -> Path:
        target = folder / name
        ffmpeg(*picture("160x90"), *X264, "-g", "25", str(target))
        target.write_bytes(with_edits(target.read_bytes(), *edits))
        return target

    return write


def with_edits(file: bytes | bytearray, *edits: tuple[int, int]) -> bytearray:
    """An MP4 file with these edits in the place of its first edit list."""
    data = bytearray(file)
    entries = b"".join(struct.pack(">Iii", *edit, 1 << 16) for edit in edits)
    elst = struct.pack(">I4sII", 16 + len(entries), b"elst", 0, len(edits)) + entries
    at = data.index(b"edts") - 4
    (length,) = struct.unpack_from(">I", data, at)
    data[at : at + length] = struct.pack(">I4s", 8 + len(elst), b"edts") + elst
    # The index is the end of the file, so nothing that it points at moves.
    for kind in (b"moov", b"trak"):
        place = data.index(kind) - 4
        (size,) = struct.unpack_from(">I", data, place)
        struct.pack_into(">I", data, place, size + 8 + len(elst) - length)
    return data


def _seen(size: str, rate: str = "25", *options: str) -> tuple[str, ...]:
    """A picture that brings its parameters with each key frame."""
    return (*picture(size, rate), *X264, "-bsf:v", "dump_extra", *options)


CHANGES: Final[dict[str, Recipe]] = {
    "size changes": copied_together("a.mp4", _seen("320x180"), _seen("180x320"), of="mp4"),
    "a part is shown five times": edited("a.mp4", *5 * ((800, 0),)),
    "parts change places": edited("a.mp4", (1000, 25_600), (1000, 0)),
    "parts are left out": edited("a.mp4", (1000, 0), (1000, 25_600)),
    "size grows": copied_together("a.mkv", _seen("96x54"), _seen("192x108"), of="mp4"),
    "size changes where it is fit to be shown": copied_together(
        "a.mp4", _seen("640x360", "30", "-g", "60"), _seen("480x640", "30", "-g", "60"), of="mp4"
    ),
    "size and shape of pixels change": joined(
        "a.ts",
        (*picture("98x76"), "-vf", "setsar=2/3", *X264),
        (*picture("96x160"), *X264, "-output_ts_offset", "3"),
    ),
    "size changes, webm": copied_together(
        "a.webm",
        (*picture("320x180"), *VP8),
        (*picture("180x320"), *VP8),
        of="webm",
    ),
    "sound alone, which becomes another kind": joined(
        "a.flac", tone(440, 2), (*tone(880, 2), "-ar", "48000", "-ac", "2")
    ),
    "size changes, ts": joined("a.ts", _part(440, size="320x180"), _part(880, size="180x320")),
    "sound from stereo to 5.1": joined(
        "a.ts",
        _old(440, "-c:a", "ac3", "-ac", "2"),
        _old(880, "-c:a", "ac3", "-ac", "6", "-output_ts_offset", "3"),
    ),
    "sound from mono to stereo": joined(
        "a.ts", _part(440, "-ac", "1"), _part(880, "-ac", "2", "-output_ts_offset", "3")
    ),
    "sound from stereo to 5.1, aac": joined(
        "a.ts", _part(440, "-ac", "2"), _part(880, "-ac", "6", "-output_ts_offset", "3")
    ),
    "sound of another rate": joined(
        "a.ts", _part(440, "-ar", "44100"), _part(880, "-ar", "48000", "-output_ts_offset", "3")
    ),
    "sound without a container, at twice the rate": joined(
        "a.aac", (*tone(), *_AAC, "-ar", "22050"), (*tone(880), *_AAC, "-ar", "44100")
    ),
    "sound without a container, slower and to stereo": joined(
        "a.aac",
        (*tone(), *_AAC, "-ar", "48000"),
        (*tone(880), *_AAC, "-ar", "32000", "-ac", "2"),
    ),
    "clock jumps an hour on": joined("a.ts", _part(440), _part(880, "-output_ts_offset", "3600")),
    "clock jumps back": joined("a.ts", _part(440, "-output_ts_offset", "5000"), _part(880)),
    "clock begins again": joined("a.ts", _part(440), _part(880)),
    # The clock has 33 bits at 90 kHz: 95,443.7 s.
    "clock wraps": joined("a.ts", _part(440, "-output_ts_offset", "95441")),
    "clock wraps and jumps": joined(
        "a.ts", _part(440, "-output_ts_offset", "95441"), _part(880, "-output_ts_offset", "60")
    ),
    "program stream joined": joined("a.mpg", _old(440, "-c:a", "mp2"), _old(880, "-c:a", "mp2")),
    "program stream jumps": joined(
        "a.mpg", _old(440, "-c:a", "mp2"), _old(880, "-c:a", "mp2", "-output_ts_offset", "900")
    ),
    "flv joined": joined("a.flv", _part(440, "-ar", "44100"), _part(880, "-ar", "44100")),
    "mkv joined": joined("a.mkv", _part(440), _part(880), _part(660)),
    "webm joined, short": joined(
        "a.webm",
        (*picture(seconds=1), *tone(seconds=1), *_WEBM),
        (*picture(seconds=2), *tone(880, seconds=2), *_WEBM),
    ),
    "webm joined, of less than a second": joined(
        "a.webm", *2 * ((*picture(seconds=0.9), *VP8),), (*picture(seconds=0.8), *VP8)
    ),
    "webm joined, turned": joined(
        "a.webm",
        (*picture("160x90"), *tone(), *_WEBM),
        (*picture("90x160"), *tone(880), *_WEBM),
    ),
    "avi joined": joined(
        "a.avi",
        (*picture(), *tone(), "-c:v", "mpeg4", "-c:a", "libmp3lame"),
        (*picture(), *tone(880), "-c:v", "mpeg4", "-c:a", "libmp3lame"),
    ),
}
"""Kinds of which each was once refused or wrong, or is decoded as a whole."""
