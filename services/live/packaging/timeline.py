"""The publisher's timestamps as one timeline of a session's epoch. Pure.

Publishers may begin anywhere, go back, and run ahead of the clock. Packaging needs times that begin
near zero, rise, and are not far from the time of arrival.
"""

from typing import Final

from services.live.flv.sink import Stopped

# A little more than zero, because pictures may be shown before they are decoded, and an encoder of
# sound begins before its first sample.
BEGIN_MS: Final = 1000
_AHEAD_MS: Final = 5000
_BACK_MS: Final = 5000
# A publisher's clock may be this much faster.
_FASTER: Final = 1.01
# How many refused tags in a row end the session.
_MAX_REFUSED: Final = 300
_WRAP: Final = 1 << 32


class Timeline:
    """Places tags. All times in milliseconds; ``now`` is a steady clock's."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._began = 0.0
        self._last_raw = 0
        self._turns = 0
        self._shift = 0
        self._latest = BEGIN_MS
        self._last: dict[int, int] = {}
        self._refused = 0
        self.dropped = 0

    def place(self, kind: int, milliseconds: int, now: float) -> tuple[int, bool] | None:
        """The time of a tag, and whether the publisher's clock has jumped; None to drop it.

        Raises Stopped where too many in a row cannot be placed.
        """
        raw = self._unwrapped(milliseconds)
        if self._first is None:
            self._first, self._began = raw, now
        time = raw - self._first + BEGIN_MS + self._shift
        if time - BEGIN_MS > (now - self._began) * _FASTER + _AHEAD_MS:
            return self._refuse()
        last = self._last.get(kind)
        jumped = False
        if last is not None and time < last:
            if time > last - _BACK_MS:
                return self._refuse()
            # It has begun again: its first tag follows all that was there.
            self._shift += self._latest + 1 - time
            time = self._latest + 1
            self._last.clear()
            jumped = True
        elif last is None and time < BEGIN_MS - _BACK_MS:
            return self._refuse()
        self._refused = 0
        time = max(time, 0)
        self._last[kind] = time
        self._latest = max(self._latest, time)
        return time, jumped

    def _refuse(self) -> None:
        self.dropped += 1
        self._refused += 1
        if self._refused > _MAX_REFUSED:
            raise Stopped("the timestamps run ahead of the clock or back; send in real time (-re)")

    def _unwrapped(self, milliseconds: int) -> int:
        """Times count modulo 2³², which is 49 days."""
        raw = milliseconds + self._turns * _WRAP
        if self._first is not None:
            if raw < self._last_raw - _WRAP // 2:
                self._turns += 1
                raw += _WRAP
            elif raw > self._last_raw + _WRAP // 2 and self._turns:
                raw -= _WRAP
        self._last_raw = raw
        return raw
