"""Files of which one track cannot be decoded, and the other can."""

from pathlib import Path
from typing import Final

from tests.integration.transcoder.clips import ffmpeg
from tests.media.made_files import X264, Recipe, made, picture, tone

# What stands before a decoder's settings: in MP4 the tag of a descriptor and its length, which
# ffmpeg writes in four bytes; in AVI the last fields of the sound's format; in FLV the packet.
_IN_MP4: Final = b"\x05\x80\x80\x80\x05"
_IN_AVI: Final = b"\x10\x00\x05\x00"
_IN_FLV: Final = b"\x08\0\0\x07\0\0\0\0\0\0\0\xaf\0"
_SOURCES: Final = (*picture(), *tone())
_FIT: Final = (
    *(*picture("640x360", "30", 5), *tone(seconds=5), "-c:v", "libx264"),
    *("-preset", "superfast", "-pix_fmt", "yuv420p", "-g", "60", "-c:a", "aac"),
)


def noise(kind: str, recipe: Recipe) -> Recipe:
    """The recipe of a file whose pictures or sounds are noise; ``kind``: ffmpeg's v or a.

    The container and its tables stay as they are.
    """

    def write(folder: Path) -> Path:
        whole = recipe(folder)
        target = folder / f"noise-{whole.name}"
        noisy = (f"-bsf:{kind}", "noise=amount=1")
        ffmpeg("-i", str(whole), "-map", "0", "-c", "copy", *noisy, str(target))
        return target

    return write


def renamed(recipe: Recipe, *names: tuple[bytes, bytes]) -> Recipe:
    """The recipe of a file in which codes of four characters are other ones."""

    def write(folder: Path) -> Path:
        target = recipe(folder)
        data = target.read_bytes()
        for old, new in names:
            data = data.replace(old, new)
        target.write_bytes(data)
        return target

    return write


def celp(recipe: Recipe, before: bytes = _IN_MP4) -> Recipe:
    """The recipe of a file whose last sound says that it is CELP, which nothing here decodes.

    ``before``: what stands before its settings.
    """

    def write(folder: Path) -> Path:
        target = recipe(folder)
        data = bytearray(target.read_bytes())
        # The decoder's settings begin with five bits of the object type (ISO/IEC 14496-3, 1.6.2).
        at = data.rindex(before) + len(before)
        data[at] = 8 << 3 | data[at] & 7
        target.write_bytes(data)
        return target

    return write


def spoilt(recipe: Recipe, codec: str, name: str) -> Recipe:
    """The recipe of a file ``name`` with the packets of a Matroska file, of which the tables of the
    last track in ``codec`` (vorbis or theora) are zeros."""

    def write(folder: Path) -> Path:
        whole, target = recipe(folder), folder / name
        data = bytearray(whole.read_bytes())
        # The third header of each has its tables.
        beginning = {"vorbis": b"\x05vorbis", "theora": b"\x82theora"}[codec]
        at = data.rindex(beginning) + 30
        data[at : at + 100] = bytes(100)
        whole.write_bytes(data)
        if whole != target:
            ffmpeg("-i", str(whole), "-map", "0", "-c", "copy", str(target))
        return target

    return write


_MP4: Final = made("a.mp4", *_SOURCES, *X264, "-c:a", "aac")
_WEBM: Final = ("-c:v", "libvpx-vp9", "-cpu-used", "8", "-b:v", "200k", "-c:a", "libopus")
_VORBIS: Final = ("-c:v", "libtheora", "-q:v", "7", "-c:a", "libvorbis")
# Windows Media Voice and Video 9 need longer settings than those of other kinds.
_WMV: Final = made("a.wmv", *_SOURCES, "-c:v", "wmv2", "-q:v", "3", "-c:a", "wmav2")
# Where only the sound can be decoded, and where only the picture can.
NO_PICTURE: Final[dict[str, Recipe]] = {
    "mp4, noise for a picture": noise("v", _MP4),
    "mp4 that fits, noise for a picture": noise("v", made("a.mp4", *_FIT)),
    "webm, noise for a picture": noise("v", made("a.webm", *_SOURCES, *_WEBM)),
    "ts, noise for a picture": noise(
        "v", made("a.ts", *_SOURCES, "-c:v", "mpeg2video", "-c:a", "mp2")
    ),
    "mov, a picture in an unknown codec": renamed(
        made("a.mov", *_SOURCES, *X264, "-c:a", "pcm_s16le"), (b"avc1", b"aprn"), (b"avcC", b"free")
    ),
    "avi, a picture in an unknown codec": renamed(
        made("a.avi", *_SOURCES, "-c:v", "mpeg4", "-c:a", "libmp3lame"), (b"FMP4", b"QZ9X")
    ),
    "avi, a picture without its settings": renamed(
        made("a.avi", *_SOURCES, "-c:v", "mpeg4", "-c:a", "libmp3lame"), (b"FMP4", b"WMV3")
    ),
    "wmv, a picture without its settings": renamed(_WMV, (b"WMV2", b"WMV3")),
    "mkv, a picture in an unknown codec": renamed(
        made("a.mkv", *_SOURCES, *X264, "-c:a", "libopus"),
        (b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/XYZ"),
    ),
    "mkv, a picture whose tables are zeros": spoilt(
        made("a.mkv", *_SOURCES, *_VORBIS), "theora", "a.mkv"
    ),
    "ogv, a picture whose tables are zeros": spoilt(
        made("a.mkv", *_SOURCES, *_VORBIS), "theora", "a.ogv"
    ),
}
# Of a sound that its decoder refuses, the other plays.
_TWO: Final = (*_SOURCES, *tone(880), "-map", "0", "-map", "1", "-map", "2")
NO_SOUND: Final[dict[str, Recipe]] = {
    "mp4, noise for sound": noise("a", _MP4),
    "mkv, noise for flac": noise("a", made("a.mkv", *_SOURCES, *X264, "-c:a", "flac")),
    "ts, noise for sound": noise("a", made("a.ts", *_SOURCES, *X264, "-c:a", "ac3")),
    "avi, noise for sound": noise(
        "a", made("a.avi", *_SOURCES, "-c:v", "mpeg4", "-c:a", "libmp3lame")
    ),
}
# Whose last sound says something that its decoder refuses, and how many others there are.
REFUSED_SOUND: Final[dict[str, tuple[Recipe, int]]] = {
    "mp4, the only sound": (celp(_MP4), 0),
    "mp4, the second sound": (
        celp(made("a.mp4", *_TWO, *X264)),
        1,
    ),
    "mov with its tables first, the second sound": (
        celp(
            made(
                "a.mov",
                *(*_TWO, *X264),
                *("-c:a", "aac", "-movflags", "+faststart"),
            )
        ),
        1,
    ),
    "ogv, the only sound": (
        spoilt(made("a.mkv", *_SOURCES, *_VORBIS), "vorbis", "a.ogv"),
        0,
    ),
    "ogv, the second sound": (
        spoilt(
            made("a.mkv", *_TWO, *_VORBIS),
            "vorbis",
            "a.ogv",
        ),
        1,
    ),
    "mkv, the second sound": (
        spoilt(
            made("a.mkv", *_TWO, *_VORBIS),
            "vorbis",
            "a.mkv",
        ),
        1,
    ),
    "mp4 in fragments, the only sound": (
        celp(made("a.mp4", *_SOURCES, *X264, *("-movflags", "+frag_keyframe+empty_moov"))),
        0,
    ),
    "avi, the second sound": (
        celp(made("a.avi", *_TWO, "-c:v", "mpeg4", "-c:a", "aac"), _IN_AVI),
        1,
    ),
    "flv, the only sound": (celp(made("a.flv", *_SOURCES, *X264, "-c:a", "aac"), _IN_FLV), 0),
    # Windows Media Voice has longer settings.
    "wmv, the only sound": (renamed(_WMV, (b"\x61\1\1\0\x44\xac", b"\x0a\0\1\0\x44\xac")), 0),
    # Opus of a number of channels that has no meaning, in each of the tables.
    "ts, both sounds": (
        renamed(
            made("a.ts", *_TWO, *X264, "-c:a", "libopus"),
            (b"Opus\x7f\x02\x80\1", b"Opus\x7f\x02\x80\x81"),
        ),
        0,
    ),
}
