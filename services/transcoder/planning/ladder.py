"""Which renditions a source gets, and the encoder settings of each. Pure.

A rung is a box that the picture fits into, rotated for portrait sources; pictures are never scaled
up. A source between two rungs is its own top rendition, in its own size and named after it. Quality
is constant (CRF) under a cap, so that simple content takes fewer bits.
"""

from fractions import Fraction
from itertools import pairwise
from typing import Final

import msgspec

from shared.contracts import Rendition, SourceFacts, VideoTrack


class Rung(msgspec.Struct, frozen=True):
    """``long`` × ``short`` is the box in pixels; ``max_rate`` the cap in bits per second at 30
    frames per second and 16:9."""

    name: str
    long: int
    short: int
    max_rate: int


RUNGS: Final = (
    Rung("1080p", 1920, 1080, 5_000_000),
    Rung("720p", 1280, 720, 2_800_000),
    Rung("480p", 854, 480, 1_400_000),
    Rung("360p", 640, 360, 800_000),
    Rung("240p", 426, 240, 400_000),
)

CRF: Final = 23
# The buffer model (VBV) in seconds at the cap.
BUFFER_SECONDS: Final = Fraction(3, 2)

# The least cap: very small pictures would be blurred for long after a cut.
_LEAST_RATE: Final = RUNGS[-1].max_rate // 2

# A source a few lines smaller than a rung (1072 for 1080) gets that rung, at its own size.
_TOLERANCE = Fraction(98, 100)
# A source whose sides exceed the rung below by this share keeps its own size.
_MARGIN: Final = Fraction(104, 100)
# Renditions below one of the source's own size have at most this share of its pixels.
BELOW: Final = Fraction(3, 4)


class Encoding(msgspec.Struct, frozen=True):
    """Encoder settings of one rendition: rates in bits per second, ``level`` as in avcC."""

    rendition: Rendition
    max_rate: int
    buffer: int
    level: int

    @property
    def codecs(self) -> str:
        """The RFC 6381 string of the encoder's output: High profile at the chosen level."""
        return f"avc1.6400{self.level:02X}"


def ladder(source: SourceFacts) -> tuple[Rendition, ...]:
    """The renditions of a source, largest first; none for a source without a picture."""
    video = source.video
    if video is None:
        return ()
    fits = [rung for rung in RUNGS if _scale(rung, video.width, video.height) * _TOLERANCE <= 1]
    rungs = fits or list(RUNGS[-1:])
    renditions: list[Rendition] = []
    if (
        fits
        and fits[0] is not RUNGS[0]
        and _scale(fits[0], video.width, video.height) * _MARGIN <= 1
    ):
        renditions.append(_rendition(own_name(video.width, video.height), video, Fraction(1)))
        most = video.width * video.height * BELOW
        rungs = [rung for rung in fits if _pixels(rung, video) <= most]
    for rung in rungs:
        scale = min(Fraction(1), _scale(rung, video.width, video.height))
        renditions.append(_rendition(rung.name, video, scale))
    return tuple(renditions)


def own_name(width: int, height: int) -> str:
    """The name of a rendition of this size: that of the rung that it nearly fills, else its own.

    The number is the height of the 16:9 picture that holds it, whichever way it is turned.
    """
    lines = max(min(width, height), round(Fraction(max(width, height) * 9, 16)))
    for rung in RUNGS:
        if rung.short * _TOLERANCE <= lines < rung.short * _MARGIN:
            return rung.name
    return f"{lines}p" if lines > RUNGS[-1].short else RUNGS[-1].name


def encoding(rendition: Rendition) -> Encoding:
    """The encoder settings for a rendition from ``ladder``."""
    rung = _rung(rendition.name)
    rate = Fraction(rendition.frame_rate)
    share = Fraction(rendition.width * rendition.height, rung.long * rung.short)
    # Twice the frame rate needs about 1.5 times the bits.
    motion = Fraction(3, 2) if rate > 30 else Fraction(1)
    cap = round(max(_LEAST_RATE, rung.max_rate * max(share, Fraction(1, 4))) * motion)
    buffer = round(cap * BUFFER_SECONDS)
    return Encoding(rendition, cap, buffer, h264_level(rendition, rate, cap, buffer))


# ITU-T H.264 (08/2021), table A-1: level_idc, macroblocks per second, macroblocks per frame,
# bits per second and buffer bits in High profile (1.25 times the table's Baseline figures).
_LEVELS: Final = (
    (10, 1_485, 99, 80_000, 218_750),
    (11, 3_000, 396, 240_000, 625_000),
    (12, 6_000, 396, 480_000, 1_250_000),
    (13, 11_880, 396, 960_000, 2_500_000),
    (20, 11_880, 396, 2_500_000, 2_500_000),
    (21, 19_800, 792, 5_000_000, 5_000_000),
    (22, 20_250, 1_620, 5_000_000, 5_000_000),
    (30, 40_500, 1_620, 12_500_000, 12_500_000),
    (31, 108_000, 3_600, 17_500_000, 17_500_000),
    (32, 216_000, 5_120, 25_000_000, 25_000_000),
    (40, 245_760, 8_192, 25_000_000, 31_250_000),
    (42, 522_240, 8_704, 62_500_000, 78_125_000),
    (50, 589_824, 22_080, 168_750_000, 168_750_000),
    (51, 983_040, 36_864, 300_000_000, 300_000_000),
)


def h264_level(rendition: Rendition, rate: Fraction, cap: int, buffer: int) -> int:
    """The lowest level that allows the picture size, frame rate and bit rate.

    The encoder does not choose it, so that playlists can name it before the first frame is encoded.
    """
    across, down = -(-rendition.width // 16), -(-rendition.height // 16)
    blocks = across * down
    for level, per_second, per_frame, bits, buffered in _LEVELS:
        fits = blocks <= per_frame and blocks * rate <= per_second
        # No side may exceed the square root of eight times the frame size (A.3.1).
        narrow = max(across, down) ** 2 <= 8 * per_frame
        if fits and narrow and cap <= bits and buffer <= buffered:
            return level
    return 52


def _rung(name: str) -> Rung:
    """The rung of a name. One between two others has a cap between theirs, by pixels."""
    for rung in RUNGS:
        if rung.name == name:
            return rung
    lines = int(name.removesuffix("p"))
    for above, below in pairwise(RUNGS):
        if below.short < lines < above.short:
            share = Fraction(lines**2 - below.short**2, above.short**2 - below.short**2)
            rate = below.max_rate + round((above.max_rate - below.max_rate) * share)
            return Rung(name, round(Fraction(lines * 16, 9)), lines, rate)
    raise ValueError(f"no rung {name}")


def _rendition(name: str, video: VideoTrack, scale: Fraction) -> Rendition:
    return Rendition(
        name=name,
        width=_even(video.width * scale),
        height=_even(video.height * scale),
        frame_rate=video.frame_rate,
    )


def _pixels(rung: Rung, video: VideoTrack) -> Fraction:
    return video.width * video.height * _scale(rung, video.width, video.height) ** 2


def _scale(rung: Rung, width: int, height: int) -> Fraction:
    wide, high = (rung.long, rung.short) if width >= height else (rung.short, rung.long)
    return min(Fraction(wide, width), Fraction(high, height))


def _even(value: Fraction) -> int:
    # Never larger than the source: an odd size loses its last row or column.
    return max(2, int(value) // 2 * 2 if value == int(value) else round(value / 2) * 2)
