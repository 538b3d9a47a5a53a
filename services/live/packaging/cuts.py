"""Where segments begin: one list for all tracks, known before ffmpeg sees the pictures. Pure."""

from collections import deque
from typing import Final

import msgspec

# Seconds that a segment lasts at least, where key pictures are closer than that.
_SHORTEST: Final = 1.9
# A fragment may begin this much before the cut that it belongs behind.
_TOLERANCE: Final = 0.03
# Longer than any track lags behind the publisher.
_KEPT: Final = 64


class Cut(msgspec.Struct, frozen=True):
    """Segment ``number`` begins at ``seconds``."""

    number: int
    seconds: float


class Cuts:
    """The numbers of segments by time. ``own``: the encoder makes the key pictures."""

    def __init__(self, first: int, own_gop: float | None = None) -> None:
        self._next = first
        self._own_gop = own_gop
        self._cuts: deque[Cut] = deque(maxlen=_KEPT)

    @property
    def latest(self) -> float | None:
        """When the last cut is."""
        return self._cuts[-1].seconds if self._cuts else None

    @property
    def following(self) -> int:
        """The number after the last one."""
        return self._next

    def picture(self, seconds: float, *, key: bool) -> None:
        """A picture, shown at so many seconds, goes to ffmpeg."""
        last = self._cuts[-1] if self._cuts else None
        if last is None:
            if key:
                self._add(seconds)
        elif self._own_gop is None:
            if key and seconds >= last.seconds + _SHORTEST:
                self._add(seconds)
        else:
            # Pictures come in the order of decoding: an earlier one may follow a later one.
            before = self._cuts[-2].seconds if len(self._cuts) > 1 else float("inf")
            if before + self._own_gop <= seconds < last.seconds:
                self._cuts[-1] = Cut(last.number, seconds)
            elif seconds >= last.seconds + self._own_gop:
                self._add(seconds)

    def _add(self, seconds: float) -> None:
        self._cuts.append(Cut(self._next, seconds))
        self._next += 1

    def number(self, seconds: float) -> int | None:
        """The segment that a fragment from so many seconds on belongs to; None before the first."""
        for cut in reversed(self._cuts):
            if cut.seconds <= seconds + _TOLERANCE:
                return cut.number
        return None
