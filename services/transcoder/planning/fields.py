"""How the fields of an interlaced picture belong together. Pure.

Files often say that a picture is interlaced where it is not: film and many cameras store whole
pictures as two fields. So some frames are decoded and looked at. Where the fields are two moments,
the output has twice the frame rate, and motion is as smooth as on a television set.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from statistics import median
from typing import Final

import msgspec

from services.transcoder.planning.probe_report import MAX_FRAME_RATE, RATE_TOLERANCE, ProbedSource
from shared.contracts import Fields

# The share of frames with a repeated field, of each kind, that tells film on NTSC video: 1 in 5.
_REPEATED: Final = 0.08
# Frames that must be clear about their fields before the file is not believed.
_LEAST: Final = 10
# Frames that look like fields of the one order, relative to the other order and to whole frames:
# whole frames with fine lines look like both.
_OF_OTHER: Final = 2
_OF_WHOLE: Final = 0.05
# Frames this much further apart than the stated rate says are pairs of what it counts.
_TWICE: Final = 1.8


class SeenFrame(msgspec.Struct, frozen=True):
    """What ffmpeg's detector says of a frame: ``tff``, ``bff``, ``progressive`` or
    ``undetermined``; the field that it repeats: ``top``, ``bottom`` or ``neither``; and its time in
    seconds."""

    order: str
    repeated: str
    time: float = 0.0


def read_frames(text: str) -> list[SeenFrame]:
    """Read the detector's lines: for each frame its time, the order, and the repeated field."""
    orders: list[str] = []
    repeats: list[str] = []
    times: list[float] = []
    time = 0.0
    for line in text.splitlines():
        name, _, value = line.strip().partition("=")
        if name == "lavfi.idet.single.current_frame":
            orders.append(value)
            times.append(time)
        elif name == "lavfi.idet.repeated.current_frame":
            repeats.append(value)
        elif name.startswith("frame:"):
            time = _seconds(name.rpartition("pts_time:")[2])
    return [SeenFrame(*each) for each in zip(orders, repeats, times, strict=False)]


def fields_of(frames: Iterable[SeenFrame]) -> Fields:
    """How the fields of frames belong together; as the file says where that is not clear."""
    seen = list(frames)
    repeated = Counter(frame.repeated for frame in seen)
    if seen and min(repeated["top"], repeated["bottom"]) >= _REPEATED * len(seen):
        return "telecined"
    orders = Counter(frame.order for frame in seen)
    one, other = sorted((orders["tff"], orders["bff"]), reverse=True)
    clear = one + other + orders["progressive"]
    whole = one < _OF_OTHER * other + _OF_WHOLE * orders["progressive"]
    return "whole" if clear >= _LEAST and whole else "apart"


def with_fields(found: ProbedSource, frames: Sequence[SeenFrame]) -> ProbedSource:
    """The facts of an interlaced source of which ``frames`` were seen, and the output's rate."""
    video = found.facts.video
    if video is None:
        return found
    fields = fields_of(frames)
    rate = found.frame_rate
    # Where each field is a packet of its own, that is the rate of fields.
    if _spacing(frames) * rate >= _TWICE:
        rate /= 2
    if fields == "apart" and 2 * rate <= MAX_FRAME_RATE * (1 + RATE_TOLERANCE):
        rate = 2 * rate
    video = msgspec.structs.replace(
        video,
        fields=fields,
        interlaced=fields != "whole",
        frame_rate=f"{rate.numerator}/{rate.denominator}",
    )
    facts = msgspec.structs.replace(found.facts, video=video)
    return msgspec.structs.replace(found, facts=facts, frame_rate=Fraction(rate))


def _spacing(frames: Iterable[SeenFrame]) -> float:
    """The usual time between two frames in seconds; 0 where it is not known."""
    steps = [later.time - one.time for one, later in pairwise(frames)]
    return median(steps) if steps else 0.0


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
