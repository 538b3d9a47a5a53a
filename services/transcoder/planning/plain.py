"""The copy that is made of a source by decoding it as a whole: its size, depth and bit rate. Pure.

The copy is what all renditions are made from: one picture size, one kind of sound, and the times
at which ffmpeg itself shows what it decodes.
"""

import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Final

import msgspec

from services.transcoder.planning.ladder import RUNGS
from services.transcoder.planning.probe_report import displayed_size
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
# Names of pixel formats with more than 8 bits per component.
_DEEP: Final = re.compile(r"(?:9|1[0246])(?:le|be)$|^p[0-4]1[026]|48(?:le|be)$|64(?:le|be)$")


class Frame(msgspec.Struct, frozen=True):
    """A size in square pixels, upright."""

    width: int
    height: int


class CopyBudget(msgspec.Struct, frozen=True):
    """``seconds``: the length to expect; ``bytes``: the most of the copy; ``rate``: the most bits
    per second of its picture, so that it stays below."""

    seconds: float
    bytes: int
    rate: int


def frame_for(video: VideoTrack, sizes: Iterable[tuple[int, int, str]]) -> Frame:
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


def is_deep(video: VideoTrack) -> bool:
    """Whether the picture has more than 8 bits per component."""
    return video.hdr or _DEEP.search(video.pixel_format or "") is not None


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
