"""The copy that is made of a source by decoding it as a whole: its size, depth and bit rate. Pure.

The copy is what all renditions are made from: one picture size, one kind of sound, and the times
at which ffmpeg itself shows what it decodes.
"""

from collections.abc import Collection, Iterable
from fractions import Fraction
from itertools import pairwise
from statistics import median
from typing import Final

import msgspec

from services.transcoder.mp4.sample_index import SampleTrack
from services.transcoder.planning.ladder import RUNGS
from services.transcoder.planning.probe_report import STANDARD_RATES, displayed_size, pixel_shape
from shared.contracts import SourceFacts, VideoTrack

# Bits per second of a copy of 1080p in which no loss is visible, and the least of any.
_MOST_RATE: Final = 48_000_000
_LEAST_RATE: Final = 4_000_000
_PIXELS_1080P: Final = 1920 * 1080
# The share of the disk space that the picture may take up at that rate.
_FILLED: Final = 0.9
# Sound without loss, per track.
_SOUND_RATE: Final = 1_600_000
# Sources of which no length is known are assumed to have so many bits per second.
_THIN_RATE: Final = 500_000
# Frames that are too few to know their rate by; the share of frames that a rate must show; how far
# a usual rate is from a standard one, and by how much a stated rate is higher than the usual one.
_FEW_FRAMES: Final = 10
_MOST: Final = Fraction(9, 10)
_NEARLY: Final = Fraction(1, 50)
_FASTER: Final = Fraction(3, 2)


class Frame(msgspec.Struct, frozen=True):
    """A size in square pixels, upright."""

    width: int
    height: int


def own_shapes(video: VideoTrack, sizes: Collection[tuple[int, int, str]]) -> list[str]:
    """The filter that gives each part of a source, told by its size, its own shape of pixels.

    ffmpeg gives all of them that of the first. ``sizes`` as for ``frame_for``; none where one shape
    fits all, or parts of one size have several.
    """
    shapes = {(width, height): pixel_shape(shape) for width, height, shape in sizes}
    alike = len(set(shapes.values())) < 2
    # ffmpeg itself turns odd angles, before all filters.
    if alike or len(shapes) < len(set(sizes)) or video.rotation % 90:
        return []
    told = "sar"
    for (width, height), shape in shapes.items():
        told = f"if(eq(w,{width})*eq(h,{height}),{shape},{told})"
    return [f"setsar='{told}'"]


class CopyBudget(msgspec.Struct, frozen=True):
    """``seconds``: the length to expect; ``bytes``: the most of the copy; ``rate``: the most bits
    per second of its picture, so that it stays below."""

    seconds: float
    bytes: int
    rate: int


def frame_for(video: VideoTrack, sizes: Collection[tuple[int, int, str]]) -> Frame:
    """The copy's frame: the largest of the source's, none larger than the highest rendition's.

    ``sizes``: width, height and shape of the pixels of decoded frames, in order; of equally large
    ones the first counts.
    """
    sideways = video.rotation % 180 == 90
    shown = [displayed_size(*size, sideways=sideways) for size in dict.fromkeys(sizes)]
    if len(shown) < 2:
        # The container may cut off lines, which the frames do not say.
        shown = [(video.width, video.height)]
    width, height = max(shown, key=lambda size: size[0] * size[1])
    long, short = RUNGS[0].long, RUNGS[0].short
    box = (long, short) if width >= height else (short, long)
    scale = min(Fraction(1), Fraction(box[0], width), Fraction(box[1], height))
    return Frame(_even(width * scale), _even(height * scale))


def plain_rate(stated: Fraction, track: SampleTrack | None) -> Fraction:
    """The output's frame rate: ``stated`` by the source, unless the copy's frames say otherwise.

    Where parts are joined, two frames may be closer together than all others, and a rate that
    shows both is twice as high as it need be. Where a clock jumps, the stated rate may be an
    average over the gap.
    """
    if track is None or track.count < _FEW_FRAMES:
        return stated
    usual = Fraction(track.timescale) / max(1, round(median(differences(track.decode))))
    seconds = Fraction(max(1, track.end - track.decode[0]), track.timescale)
    fitting = min(STANDARD_RATES, key=lambda rate: abs(rate - usual))
    fits = abs(fitting - usual) < usual * _NEARLY and track.count * _MOST <= fitting * seconds
    slow = stated * seconds < track.count * _MOST
    return fitting if fits and (slow or stated > usual * _FASTER) else stated


def differences(times: Iterable[int]) -> list[int]:
    """The differences between each time and the next."""
    return [later - earlier for earlier, later in pairwise(times)]


def copy_budget(facts: SourceFacts, frame: Frame | None, free: int) -> CopyBudget:
    """How long and large the copy may become, with ``free`` bytes on the disk."""
    seconds = max(1.0, facts.duration_ms / 1000, 8 * facts.size / _THIN_RATE)
    stated = max(1.0, facts.duration_ms / 1000)
    share = frame.width * frame.height / _PIXELS_1080P if frame else 0.0
    wanted = max(_LEAST_RATE, _MOST_RATE * share)
    sound = _SOUND_RATE * len(facts.audio)
    most = free // 2
    rate = min(wanted, max(_LEAST_RATE / 4, _FILLED * 8 * most / stated - sound))
    return CopyBudget(seconds, most, round(rate))


def _even(value: Fraction) -> int:
    return max(2, int(value) // 2 * 2)
