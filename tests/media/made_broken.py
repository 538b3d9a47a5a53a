"""Files of which one track cannot be decoded, and the other can."""

from pathlib import Path
from typing import Final

from tests.integration.transcoder.clips import ffmpeg
from tests.media.made_files import X264, Recipe, made, picture, tone

# The tag of a descriptor and the beginning of its length, which ffmpeg writes in four bytes.
_SETTINGS: Final = b"\x05\x80\x80\x80"
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


def celp(recipe: Recipe) -> Recipe:
    """The recipe of an MP4 whose last sound says that it is CELP, which nothing here decodes."""

    def write(folder: Path) -> Path:
        target = recipe(folder)
        data = bytearray(target.read_bytes())
        # The decoder's settings begin with five bits of the object type (ISO/IEC 14496-3, 1.6.2).
        at = data.index(_SETTINGS, data.rindex(b"esds")) + len(_SETTINGS) + 1
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
        celp(made("a.mp4", *_SOURCES, *tone(), "-map", "0", "-map", "1", "-map", "2", *X264)),
        1,
    ),
    "mov with its tables first, the second sound": (
        celp(
            made(
                "a.mov",
                *(*_SOURCES, *tone(), "-map", "0", "-map", "1", "-map", "2", *X264),
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
            made("a.mkv", *_SOURCES, *tone(880), "-map", "0", "-map", "1", "-map", "2", *_VORBIS),
            "vorbis",
            "a.ogv",
        ),
        1,
    ),
    "mkv, the second sound": (
        spoilt(
            made("a.mkv", *_SOURCES, *tone(880), "-map", "0", "-map", "1", "-map", "2", *_VORBIS),
            "vorbis",
            "a.mkv",
        ),
        1,
    ),
}
