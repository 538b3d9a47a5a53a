"""From RTP timestamps to one timeline in milliseconds (RFC 3550, 6.4.1). Pure.

Picture and sound count with clocks of their own. Sender reports say which moments of both are the
same; they come within some seconds. Until then, sound has no place and is left out.
"""

from typing import Final

import msgspec

# Seconds without reports of both, after which arrival has to do.
_REPORTS_WITHIN: Final = 3.0
# How fast sound follows a sound card that runs faster or slower: milliseconds per packet of 20 ms.
_SLEW: Final = 0.2


class _Report(msgspec.Struct, frozen=True):
    """``wall``: seconds of the sender's clock at ``timestamp``."""

    wall: float
    timestamp: int


class _Clock(msgspec.Struct):
    """``offset``: milliseconds that are added to the timestamp; None while it is unknown."""

    rate: int
    offset: float | None = None
    report: _Report | None = None

    def since_start(self, timestamp: int) -> float:
        return timestamp * 1000 / self.rate


class Timeline:
    """The timeline of one publisher. It begins with the first picture, at 0.

    ``picture_rate`` and ``sound_rate`` are in ticks per second.
    """

    def __init__(self, picture_rate: int = 90_000, sound_rate: int = 48_000) -> None:
        self._picture = _Clock(picture_rate)
        self._sound = _Clock(sound_rate)
        self._begun: float | None = None

    def report_picture(self, wall: float, timestamp: int) -> None:
        """A sender report: ``timestamp`` of the picture is at ``wall`` seconds."""
        self._picture.report = _Report(wall, timestamp)

    def report_sound(self, wall: float, timestamp: int) -> None:
        """The same for sound."""
        self._sound.report = _Report(wall, timestamp)

    def picture(self, timestamp: int, now: float) -> int:
        """Milliseconds of a picture that arrives at ``now`` seconds."""
        clock = self._picture
        if clock.offset is None:
            clock.offset = -clock.since_start(timestamp)
            self._begun = now
        return max(0, round(clock.since_start(timestamp) + clock.offset))

    def sound(self, timestamp: int, now: float) -> int | None:
        """Milliseconds of a packet of sound; None where it has no place, or one before 0."""
        clock = self._sound
        wanted = self._sound_offset()
        if clock.offset is None:
            clock.offset = wanted
            if wanted is None and self._begun is not None and now - self._begun > _REPORTS_WITHIN:
                clock.offset = (now - self._begun) * 1000 - clock.since_start(timestamp)
        elif wanted is not None:
            clock.offset += min(_SLEW, max(-_SLEW, wanted - clock.offset))
        if clock.offset is None:
            return None
        place = round(clock.since_start(timestamp) + clock.offset)
        return place if place >= 0 else None

    def _sound_offset(self) -> float | None:
        """The offset by which sound has the place that the reports of both give it."""
        picture, sound = self._picture, self._sound
        if picture.offset is None or picture.report is None or sound.report is None:
            return None
        # The sender's clock at the timeline's 0.
        zero = picture.report.wall - (
            (picture.since_start(picture.report.timestamp) + picture.offset) / 1000
        )
        return (sound.report.wall - zero) * 1000 - sound.since_start(sound.report.timestamp)
