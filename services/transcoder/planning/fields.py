"""How the fields of an interlaced picture belong together. Pure.

Files often say that a picture is interlaced where it is not: film and many cameras store whole
pictures as two fields. So some frames are decoded and looked at. Where the fields are two moments,
the output has twice the frame rate, and motion is as smooth as on a television set.
"""

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
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


class SeenFrame(msgspec.Struct, frozen=True):
    """What ffmpeg's detector says of a frame: ``tff``, ``bff``, ``progressive`` or
    ``undetermined``; and the field that it repeats: ``top``, ``bottom`` or ``neither``."""

    order: str
    repeated: str


def read_frames(text: str) -> list[SeenFrame]:
    """Read the detector's lines: for each frame the order, and the field that is repeated."""
    orders: list[str] = []
    repeats: list[str] = []
    for line in text.splitlines():
        name, _, value = line.strip().partition("=")
        if name == "lavfi.idet.single.current_frame":
            orders.append(value)
        elif name == "lavfi.idet.repeated.current_frame":
            repeats.append(value)
    return [SeenFrame(*pair) for pair in zip(orders, repeats, strict=False)]


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


def with_fields(found: ProbedSource, fields: Fields) -> ProbedSource:
    """The facts of an interlaced source whose fields are known, with the output's frame rate."""
    video = found.facts.video
    if video is None:
        return found
    rate = found.frame_rate
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
