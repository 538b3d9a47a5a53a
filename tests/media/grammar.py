"""Combines containers, codecs, tracks, times, cuts and joins into files that nobody thought of.

A file follows from a seed and a number, so that one of a thousand can be made again alone. Most of
its features are ordinary; two or three are not.
"""

import random
import subprocess
from pathlib import Path
from typing import Final

import msgspec

from tests.integration.transcoder.clips import ffmpeg


class Kind(msgspec.Struct, frozen=True):
    """A container: its extension, the codecs that it takes, and what may be done to it.

    ``turns``: it has display matrices. ``joins``: ``cat`` joins two of them. ``starts``: time
    stamps may begin anywhere.
    """

    extension: str
    pictures: tuple[str, ...]
    sounds: tuple[str, ...]
    options: tuple[str, ...] = ()
    turns: bool = False
    joins: bool = False
    starts: bool = False


_FRAGMENTED: Final = ("-movflags", "+frag_keyframe+empty_moov+default_base_moof")

KINDS: Final[dict[str, Kind]] = {
    "mp4": Kind("mp4", ("libx264", "mpeg4", "libx265"), ("aac", "ac3", "libmp3lame"), turns=True),
    "faststart": Kind("mp4", ("libx264",), ("aac",), ("-movflags", "+faststart"), turns=True),
    "fragmented": Kind("mp4", ("libx264",), ("aac", "libopus"), _FRAGMENTED, starts=True),
    "mov": Kind("mov", ("libx264", "mjpeg", "prores_ks"), ("pcm_s16le", "aac", "alac"), turns=True),
    "mkv": Kind(
        "mkv",
        ("libx264", "ffv1", "mpeg2video", "libvpx-vp9", "mjpeg"),
        ("libopus", "flac", "pcm_s24le", "aac", "ac3"),
    ),
    "webm": Kind("webm", ("libvpx", "libvpx-vp9"), ("libopus", "libvorbis")),
    "ts": Kind("ts", ("libx264", "mpeg2video"), ("aac", "mp2", "ac3"), joins=True, starts=True),
    "mpeg": Kind("mpg", ("mpeg2video", "mpeg1video"), ("mp2",), joins=True),
    "avi": Kind("avi", ("mpeg4", "libx264", "mjpeg"), ("libmp3lame", "pcm_s16le", "ac3")),
    "flv": Kind("flv", ("libx264", "flv1"), ("aac", "libmp3lame")),
    "ogg": Kind("ogv", ("libtheora",), ("libvorbis", "flac")),
    "asf": Kind("wmv", ("wmv2", "msmpeg4"), ("wmav2",)),
    "3gp": Kind("3gp", ("mpeg4", "libx264"), ("aac",), turns=True),
}

_SIZES: Final = ("160x90", "96x160", "128x128", "200x112", "320x180")
_RATES: Final = ("25", "30000/1001", "24000/1001", "50", "15", "12", "60000/1001")
# MPEG-1 and MPEG-2 know only these.
_MPEG_RATES: Final = ("25", "30000/1001", "24000/1001", "50", "60000/1001")
_PIXELS: Final = {
    "libx264": ("yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuv420p10le"),
    "libx265": ("yuv420p", "yuv420p10le"),
    "libvpx-vp9": ("yuv420p", "yuv444p"),
    "ffv1": ("yuv420p", "yuv422p10le", "rgb0", "bgra"),
    "mjpeg": ("yuvj420p", "yuvj422p"),
    "prores_ks": ("yuv422p10le", "yuva444p10le"),
    "mpeg2video": ("yuv420p", "yuv422p"),
}
_SPEED: Final = {
    "libx264": ("-preset", "ultrafast"),
    "libx265": ("-preset", "ultrafast", "-x265-params", "log-level=error"),
    "libvpx": ("-deadline", "realtime", "-cpu-used", "8", "-b:v", "400k"),
    "libvpx-vp9": ("-deadline", "realtime", "-cpu-used", "8", "-b:v", "400k"),
    "mpeg2video": ("-q:v", "3"),
    "mpeg1video": ("-q:v", "3"),
    "mpeg4": ("-q:v", "3"),
    "libtheora": ("-q:v", "7"),
    "wmv2": ("-q:v", "3"),
    "msmpeg4": ("-q:v", "3"),
    "flv1": ("-q:v", "3"),
}
_TURNS: Final = (
    ("-display_rotation", "90"),
    ("-display_rotation", "180"),
    ("-display_rotation", "-90"),
    ("-display_hflip",),
    ("-display_vflip",),
    ("-display_rotation", "90", "-display_hflip"),
)
# Others take only some rates and layouts.
_FREE_SOUNDS: Final = frozenset(("aac", "flac", "alac", "pcm_s16le", "pcm_s24le"))


class Recipe(msgspec.Struct, frozen=True):
    """A file: ffmpeg's options for each part that is joined, and what is then done to the bytes.

    ``turn``: options that give the result a display matrix. ``cut``: the share of the bytes that is
    kept. ``flips``: bytes that are damaged. ``junk``: bytes before the first one.
    """

    name: str
    extension: str
    parts: tuple[tuple[str, ...], ...]
    turn: tuple[str, ...] = ()
    cut: float = 1.0
    flips: int = 0
    junk: int = 0
    chance: int = 0

    @property
    def intact(self) -> bool:
        return self.cut == 1.0 and not self.flips

    def write(self, folder: Path) -> Path:
        """Make the file. Raises subprocess.CalledProcessError where ffmpeg cannot."""
        data = bytearray(random.Random(self.chance).randbytes(self.junk))
        for number, options in enumerate(self.parts):
            part = folder / f"part-{number}.{self.extension}"
            ffmpeg(*options, str(part))
            if self.turn:
                upright = part.rename(folder / f"upright.{self.extension}")
                ffmpeg(*self.turn, "-i", str(upright), "-map", "0", "-c", "copy", str(part))
            data += part.read_bytes()
        chance = random.Random(self.chance)
        for _ in range(self.flips):
            # Not the first bytes, by which ingest knows the container.
            data[chance.randrange(min(64, len(data) - 1), len(data))] ^= 1 << chance.randrange(8)
        target = folder / f"made.{self.extension}"
        target.write_bytes(data[: round(len(data) * self.cut)])
        return target


def recipe(seed: int, number: int) -> Recipe:
    """File ``number`` of a run with ``seed``."""
    chance = random.Random(f"{seed}/{number}")
    name, kind = chance.choice(sorted(KINDS.items()))
    count = 2 if kind.joins and chance.random() < 0.4 else 1
    parts = [_part(chance, kind, name)]
    if count == 2:
        parts.append(_part(chance, kind, name) if chance.random() < 0.5 else parts[0])
    turned = kind.turns and chance.random() < 0.3
    damage = chance.random()
    return Recipe(
        name=f"{name} {seed}/{number}",
        extension=kind.extension,
        parts=tuple(parts),
        turn=chance.choice(_TURNS) if turned else (),
        cut=chance.uniform(0.3, 0.95) if damage < 0.15 else 1.0,
        flips=chance.randint(1, 40) if 0.15 <= damage < 0.3 else 0,
        junk=chance.choice((37, 100, 188)) if name == "ts" and chance.random() < 0.2 else 0,
        chance=chance.getrandbits(32),
    )


def makes_file(made: Recipe, folder: Path) -> Path | None:
    """The file, or None where this ffmpeg refuses the combination."""
    try:
        return made.write(folder)
    except subprocess.CalledProcessError:
        return None


def _part(chance: random.Random, kind: Kind, name: str) -> tuple[str, ...]:
    codec = chance.choice(kind.pictures)
    rates = _MPEG_RATES if codec.startswith("mpeg") else _RATES
    seconds = chance.choice((1.2, 2.0, 2.6))
    picture = _picture(chance, codec, chance.choice(rates), seconds)
    options: list[str] = []
    sounds = chance.choice((0, 1, 1, 1, 2)) if name != "flv" else chance.choice((0, 1))
    options += picture[0]
    for number in range(sounds):
        options += _sound_input(chance, seconds, 330 * (number + 1))
    maps = ["0:v", *(f"{number + 1}:a" for number in range(sounds))]
    if sounds and chance.random() < 0.25:
        maps.reverse()
    for stream in maps:
        options += ["-map", stream]
    options += picture[1]
    options += _sound_codec(chance, kind) if sounds else []
    if kind.starts and chance.random() < 0.4:
        options += ["-output_ts_offset", chance.choice(("0.5", "12", "3599.5", "95440"))]
    return (*options, *kind.options)


def _picture(
    chance: random.Random, codec: str, rate: str, seconds: float
) -> tuple[list[str], list[str]]:
    """The options of a picture: its input, and its encoder."""
    source = f"testsrc2=size={chance.choice(_SIZES)}:rate={rate}:duration={seconds}"
    pixels = _PIXELS.get(codec, ("yuv420p",))
    encoder = ["-c:v", codec, *_SPEED.get(codec, ())]
    encoder += ["-pix_fmt", chance.choice(pixels) if chance.random() < 0.4 else pixels[0]]
    encoder += ["-g", chance.choice(("5", "25", "250"))]
    filters: list[str] = []
    if chance.random() < 0.15:
        filters.append(f"setsar={chance.choice(('4/3', '16/15', '2/3'))}")
    if chance.random() < 0.15 and codec not in ("mpeg1video", "mpeg2video"):
        filters.append("select='lt(mod(n,7),4)'")
        encoder += ["-fps_mode", "vfr"]
    if codec == "mpeg2video" and chance.random() < 0.3:
        encoder += ["-flags", "+ilme+ildct"]
        filters.append("setfield=tff")
    if codec in ("libx264", "mpeg4", "mpeg2video"):
        encoder += ["-bf", chance.choice(("0", "2"))]
    return ["-f", "lavfi", "-i", source], [
        *(("-vf", ",".join(filters)) if filters else ()),
        *encoder,
    ]


def _sound_input(chance: random.Random, seconds: float, frequency: int) -> list[str]:
    length = seconds + chance.choice((0.0, 0.0, 0.0, 1.5, -0.7))
    late = ["-itsoffset", "0.6"] if chance.random() < 0.15 else []
    return [*late, "-f", "lavfi", "-i", f"sine=frequency={frequency}:duration={length:.1f}"]


def _sound_codec(chance: random.Random, kind: Kind) -> list[str]:
    codec = chance.choice(kind.sounds)
    layout = chance.choice(("1", "2", "2", "6")) if codec in _FREE_SOUNDS else "2"
    rate = chance.choice(("48000", "44100", "22050")) if codec in _FREE_SOUNDS else "48000"
    return ["-c:a", codec, "-ac", layout, "-ar", rate]
