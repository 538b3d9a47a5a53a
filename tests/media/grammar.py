"""Combines containers, codecs, tracks, times, cuts and joins into files that nobody thought of.

A file follows from a seed and a number, so that one of a thousand can be made again alone. Most of
its features are ordinary; two or three are not.
"""

import random
import subprocess
from pathlib import Path
from typing import Final, Literal

import msgspec

from tests.integration.transcoder.clips import ffmpeg
from tests.media.grammar_kinds import (
    FIXED_RATES,
    FIXED_SIZES,
    FIXED_SOUNDS,
    FREE_SOUNDS,
    KINDS,
    ODD_SIZES,
    PIXELS,
    RATES,
    SIZES,
    SPEED,
    TURNS,
    Kind,
)
from tests.media.made_changes import with_edits

_WORDS: Final = "1\n00:00:00,200 --> 00:00:00,900\nGood morning.\n"
# Seconds after which a film with a gap shows nothing, and for how long.
_GAP_AFTER: Final = 0.6
_GAP: Final = 7
# Codecs whose packets are read by what the container says of them alone.
_BARE: Final = frozenset(("ffv1", "huffyuv", "libtheora", "qtrle", "rawvideo", "utvideo"))


class Recipe(msgspec.Struct, frozen=True):
    """A file: ffmpeg's options for each part, and what is then done to the bytes.

    ``how``: whether ``cat`` joins the parts, or ffmpeg copies their packets into one file.
    ``turn``: options that give the result a display matrix. ``edits``: the entries of its edit
    list. ``cut``: the share of the bytes that is kept. ``flips``: bytes that are damaged.
    ``junk``: bytes before the first one.
    """

    name: str
    extension: str
    parts: tuple[tuple[str, ...], ...]
    how: Literal["cat", "copy"] = "cat"
    turn: tuple[str, ...] = ()
    edits: tuple[tuple[int, int], ...] = ()
    cut: float = 1.0
    flips: int = 0
    junk: int = 0
    chance: int = 0

    @property
    def intact(self) -> bool:
        return self.cut == 1.0 and not self.flips

    def write(self, folder: Path) -> Path:
        """Make the file. Raises subprocess.CalledProcessError where ffmpeg cannot."""
        (folder / "words.srt").write_text(_WORDS)
        parts = [self._part(folder, number) for number in range(len(self.parts))]
        data = bytearray(random.Random(self.chance).randbytes(self.junk))
        if self.how == "copy":
            (folder / "list").write_text("".join(f"file {part.name}\n" for part in parts))
            whole = f"whole.{self.extension}"
            joined = ("-f", "concat", "-safe", "0", "-i", "list", "-map", "0", "-c", "copy")
            ffmpeg(*joined, whole, cwd=folder)
            parts = [folder / whole]
        for part in parts:
            data += part.read_bytes()
        if self.edits and b"edts" in data:
            data = with_edits(data, *self.edits)
        target = folder / f"made.{self.extension}"
        target.write_bytes(self.damage(bytes(data)))
        return target

    def damage(self, data: bytes) -> bytes:
        """Some bytes changed and the end cut off, as the recipe says."""
        chance, damaged = random.Random(self.chance), bytearray(data)
        for _ in range(self.flips):
            # Not the first bytes, by which ingest knows the container.
            place = chance.randrange(min(64, len(data) - 1), len(data))
            damaged[place] ^= 1 << chance.randrange(8)
        return bytes(damaged[: round(len(data) * self.cut)])

    def _part(self, folder: Path, number: int) -> Path:
        part = folder / f"part-{number}.{self.extension}"
        ffmpeg(*self.parts[number], part.name, cwd=folder)
        if self.turn:
            upright = part.rename(folder / f"upright.{self.extension}")
            ffmpeg(*self.turn, "-i", str(upright), "-map", "0", "-c", "copy", str(part))
        return part


def recipe(seed: int, number: int) -> Recipe:
    """File ``number`` of a run with ``seed``."""
    chance = random.Random(f"{seed}/{number}")
    names = sorted(KINDS)
    (name,) = chance.choices(names, [KINDS[each].weight for each in names])
    kind = KINDS[name]
    draft = _Draft(chance, name, kind)
    how: Literal["cat", "copy"] = "cat"
    if kind.joins != "no" and chance.random() < 0.35:
        parts = [draft.part(), draft.part(like=kind.joins == "same")]
    elif kind.copies and chance.random() < 0.2:
        how, draft.starts = "copy", False
        parts = [draft.part(), draft.part(like=draft.alike)]
    else:
        parts = [draft.part()]
    edited = kind.edits and len(parts) == 1 and chance.random() < 0.15
    turned = kind.turns and not edited and chance.random() < 0.3
    damage = chance.random()
    return Recipe(
        name=f"{name} {seed}/{number}",
        extension=kind.extension,
        parts=tuple(parts),
        how=how,
        turn=chance.choice(TURNS) if turned else (),
        edits=_edits(chance) if edited else (),
        cut=chance.uniform(0.3, 0.95) if damage < 0.1 else 1.0,
        flips=chance.randint(1, 40) if 0.1 <= damage < 0.2 else 0,
        junk=chance.choice((37, 100, 188)) if name == "ts" and chance.random() < 0.2 else 0,
        chance=chance.getrandbits(32),
    )


def damaged(made: Recipe) -> Recipe:
    """The recipe of an intact file with some bytes changed, or without its end."""
    chance = random.Random(made.chance)
    if chance.random() < 0.5:
        return msgspec.structs.replace(made, flips=chance.choice((1, 3, 10, 40, 200)))
    return msgspec.structs.replace(made, cut=chance.uniform(0.02, 0.98))


def makes_file(made: Recipe, folder: Path) -> Path | None:
    """The file, or None where this ffmpeg refuses the combination."""
    try:
        return made.write(folder)
    except subprocess.CalledProcessError:
        return None


def _edits(chance: random.Random) -> tuple[tuple[int, int], ...]:
    """Entries of an edit list: milliseconds, and the first tick of 12,800 a second or none."""
    usual = ((700, 3200), (500, 0), (400, 6400), (1000, 512))
    first = chance.choice((*usual, (600, -1)))
    if first[1] < 0:
        return first, chance.choice(usual)
    return (first,) if chance.random() < 0.6 else (first, chance.choice(usual))


class _Draft:
    """What all parts of a file have in common: the codecs, and the order of tracks."""

    def __init__(self, chance: random.Random, name: str, kind: Kind) -> None:
        self._chance, self._name, self._kind = chance, name, kind
        self._codec = chance.choice(kind.pictures) if kind.pictures else ""
        self._sound = chance.choice(kind.sounds) if kind.sounds else ""
        most = (1, 1, 1, 0, 2, 3) if kind.pictures and name not in ("flv", "f4v") else (1,)
        self._sounds = chance.choice(most) if kind.sounds else 0
        self._pictures = kind.several if self._codec and chance.random() < 0.12 else 1
        self._cover = bool(kind.cover) and chance.random() < (0.1 if self._codec else 0.5)
        self._words = bool(kind.words) and chance.random() < 0.15
        self._mixed = chance.random()
        self._gap = kind.gaps and chance.random() < 0.08
        self.starts = kind.starts
        self._parts = 0
        self._last: tuple[str, ...] = ()

    @property
    def alike(self) -> bool:
        """Whether the picture's packets lack parameters: those of others then decode to noise."""
        return self._codec in _BARE

    def part(self, *, like: bool = False) -> tuple[str, ...]:
        """The options of the next part. ``like``: nothing but the picture and the tone differ."""
        self._parts += 1
        if like:
            return tuple(_other(option) for option in self._last)
        self._last = self._new()
        return self._last

    def _new(self) -> tuple[str, ...]:
        chance = self._chance
        seconds = chance.choice((1.2, 1.2, 1.6, 2.4))
        inputs: list[str] = []
        maps: list[str] = []
        encoders: list[str] = []
        for number in range(self._pictures if self._codec else 0):
            given, encoder = self._picture(seconds, number)
            inputs += given
            maps.append(f"{len(maps)}:v")
            encoders += encoder
        for number in range(self._sounds):
            inputs += self._sound_input(seconds, 330 * (number + self._parts))
            maps.append(f"{len(maps)}:a")
        if self._cover:
            inputs += ["-f", "lavfi", "-i", "mandelbrot=size=96x96:rate=1,trim=end_frame=1"]
            place = self._pictures if self._codec else 0
            encoders += [f"-c:v:{place}", self._kind.cover, f"-disposition:v:{place}"]
            encoders.append("attached_pic")
            if self._kind.cover == "mjpeg":
                encoders += [f"-pix_fmt:v:{place}", "yuvj420p"]
            maps.append(f"{len(maps)}:v")
        if self._words:
            inputs += ["-i", "words.srt"]
            encoders += ["-c:s", self._kind.words]
            maps.append(f"{len(maps)}:s")
        if self._mixed < 0.25 and not self._cover and self._pictures < 2:
            maps.reverse()
        options = [*inputs, *(each for stream in maps for each in ("-map", stream)), *encoders]
        options += self._sound_codec() if self._sounds else []
        if self.starts and chance.random() < 0.4:
            options += ["-output_ts_offset", chance.choice(("0.5", "12", "3599.5", "95440"))]
        if self._kind.edits and self._codec:
            options += ["-video_track_timescale", "12800"]
        return (*options, *self._kind.options)

    def _picture(self, seconds: float, number: int) -> tuple[list[str], list[str]]:
        """The options of a picture: its input, and its encoder, for that stream alone."""
        chance, codec = self._chance, self._codec
        rates = FIXED_RATES.get(codec) or FIXED_RATES.get(self._name) or RATES
        sizes = FIXED_SIZES.get(codec) or (ODD_SIZES if chance.random() < 0.1 else SIZES)
        late = ["-itsoffset", "0.5"] if chance.random() < 0.05 else []
        source = f"testsrc2=size={chance.choice(sizes)}:rate={chance.choice(rates)}"
        filters = ["negate"] if number else []
        pixels = PIXELS.get(codec, ("yuv420p",))
        encoder = ["-c", codec, *SPEED.get(codec, ())]
        encoder += ["-pix_fmt", chance.choice(pixels) if chance.random() < 0.5 else pixels[0]]
        encoder += ["-g", chance.choice(("5", "25", "250"))]
        if number:
            encoder += ["-disposition", chance.choice(("0", "default"))]
        filters += self._shape(encoder)
        if codec in ("libx264", "mpeg4", "mpeg2video", "libx265"):
            encoder += ["-bf", chance.choice(("0", "2"))]
        if codec in ("libx264", "libx265") and self._name in ("mp4", "mkv", "mov"):
            # Packets that follow one another bring their parameters.
            encoder += ["-bsf", "dump_extra"]
        if filters:
            encoder += ["-filter", ",".join(filters)]
        if self._name == "y4m":
            encoder += ["-strict", "-1"]
        named = [f"{o}:v:{number}" if o in _OPTIONS else o for o in encoder]
        return [*late, "-f", "lavfi", "-i", f"{source}:duration={seconds}"], named

    def _shape(self, encoder: list[str]) -> list[str]:
        """Filters that give a picture other pixels, times, fields or colours."""
        chance, codec = self._chance, self._codec
        filters: list[str] = []
        if chance.random() < 0.15:
            filters.append(f"setsar={chance.choice(('4/3', '16/15', '2/3'))}")
        if chance.random() < 0.12 and codec not in FIXED_RATES and self._name not in FIXED_RATES:
            filters.append("select='lt(mod(n,7),4)'")
            encoder += ["-fps_mode", "vfr"]
        if self._gap:
            filters.append(_later("setpts"))
            encoder += ["-fps_mode", "vfr"]
        if codec in ("mpeg2video", "libx264") and chance.random() < 0.15:
            real = "interlace=scan=tff:lowpass=0," if chance.random() < 0.5 else ""
            filters.append(f"{real}setfield=tff")
            encoder += ["-flags", "+ilme+ildct"]
        if chance.random() < 0.12:
            space = chance.choice(("bt709", "smpte170m", "bt2020nc"))
            filters.append(f"setparams=colorspace={space}:color_trc=bt709")
        return filters

    def _sound_input(self, seconds: float, frequency: int) -> list[str]:
        chance = self._chance
        length = seconds + chance.choice((0.0, 0.0, 0.0, 1.5, -0.7))
        late = ["-itsoffset", "0.6"] if chance.random() < 0.12 else []
        steps = f",{_later('asetpts')}" if self._gap else ""
        tone = f"sine=frequency={frequency}:duration={length:.1f}{steps}"
        return [*late, "-f", "lavfi", "-i", tone]

    def _sound_codec(self) -> list[str]:
        chance, codec = self._chance, self._sound
        language = ["-metadata:s:a:0", "language=fra"] if chance.random() < 0.2 else []
        fixed = FIXED_SOUNDS.get(codec)
        if fixed:
            return [*language, "-c:a", codec, *(f"{o}:a" if o == "-b" else o for o in fixed)]
        layout = chance.choice(("1", "2", "2", "6")) if codec in FREE_SOUNDS else "2"
        rates = ("48000", "44100", "22050", "32000") if codec in FREE_SOUNDS else ("48000",)
        return [*language, "-c:a", codec, "-ac", layout, "-ar", chance.choice(rates)]


# The options of a picture's encoder that may be said of one stream.
_OPTIONS: Final = frozenset(
    (
        *("-c", "-pix_fmt", "-g", "-bf", "-bsf", "-filter", "-fps_mode", "-flags", "-disposition"),
        *("-preset", "-x265-params", "-svtav1-params", "-deadline", "-cpu-used", "-b", "-profile"),
        "-q",
    )
)


def _later(filter_name: str) -> str:
    return f"{filter_name}='PTS+gte(T\\,{_GAP_AFTER})*{_GAP}/TB'"


def _other(option: str) -> str:
    """An option of a first part for the part that follows: another picture and another tone."""
    if option.startswith("testsrc2="):
        return f"{option},negate"
    return option.replace("sine=frequency=", "sine=frequency=1")
