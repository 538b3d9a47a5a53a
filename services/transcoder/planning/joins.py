"""Recordings that were joined into one file, of which each begins at its own time again. Pure.

They are shown one after the other, as a player of each would show them: picture and sound of the
next one begin together, where the longest track of the one before ends.
"""

import math
from typing import Final

import msgspec

# Recordings that are told apart.
MAX_RECORDINGS: Final = 1000
# The seconds by which a packet without a length may last: as long as the one before.
_MOST_GUESSED: Final = 1.0


class Join(msgspec.Struct, frozen=True):
    """From byte ``place`` on, times are ``later`` seconds later than the file says."""

    place: int
    later: float


class _Recording:
    """One of the recordings: where it begins, and its times."""

    def __init__(self, place: int) -> None:
        self.place = place
        self.begin: float | None = None
        self.end = 0.0
        # The time of the last packet of each stream.
        self.last: dict[int, float] = {}

    def add(self, stream: int, time: float, length: float) -> None:
        before = self.last.get(stream, time)
        if length <= 0 and before < time <= before + _MOST_GUESSED:
            length = time - before
        self.last[stream] = time
        self.begin = time if self.begin is None else min(self.begin, time)
        self.end = max(self.end, time + length)


class Recordings:
    """The recordings of a file, from its packets in the order in which they are stored.

    ``too_many``: there are more than are told apart.
    """

    def __init__(self) -> None:
        self.too_many = False
        self._all = [_Recording(0)]

    def add(self, stream: int, time: float, length: float, place: int, *, again: bool) -> None:
        """Add a packet. ``again``: the times of its stream jump back to it."""
        if again and stream in self._all[-1].last:
            self.too_many = len(self._all) == MAX_RECORDINGS
            if self.too_many:
                return
            self._all.append(_Recording(place))
        self._of(stream, time, place).add(stream, time, length)

    def _of(self, stream: int, time: float, place: int) -> _Recording:
        """The recording of a packet: the last one, unless it was held back in the one before."""
        last, before = self._all[-1], self._all[-2:-1]
        held = place < last.place and stream not in last.last
        if held and before and time > before[0].last.get(stream, math.inf):
            return before[0]
        return last

    @property
    def joins(self) -> tuple[Join, ...]:
        """Where each recording but the first begins."""
        found: list[Join] = []
        end = self._all[0].end
        for each in self._all[1:]:
            later = end - (each.begin or 0.0)
            found.append(Join(each.place, later))
            end = each.end + later
        return tuple(found)
