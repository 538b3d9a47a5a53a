"""What a publisher may send: how large a picture, how many of them, how many bits. Pure.

What is measured counts, over so long that neither a burst nor one large key picture matters.
"""

from collections import deque
from typing import Final

import msgspec

from services.live.flv.sink import OverLimit, Stopped
from services.live.packaging.layout import Picture

_BIT_RATE_SECONDS: Final = 20
_FRAMES_MS: Final = 10_000
# Whoever sends anything else for so long holds a place for nothing. The program behind may have
# been slow for some of it.
NO_PICTURE_SECONDS: Final = 30.0
# Clocks of cameras are not exact, and a publisher may catch up on what it could not send.
_TOLERANCE: Final = 1.05


class MediaLimits(msgspec.Struct, frozen=True):
    """``bit_rate`` in bits a second; ``pixels`` of a picture; ``frame_rate`` in pictures a
    second."""

    bit_rate: int = 40_000_000
    pixels: int = 8_300_000
    frame_rate: int = 60


class Meter:
    """Measures one publisher, and refuses what is over the limits."""

    def __init__(self, limits: MediaLimits) -> None:
        self._limits = limits
        # Bytes by whole second, of the last seconds.
        self._seconds: deque[tuple[int, int]] = deque()
        self._bytes = 0
        self._latest = 0.0
        self._pictured_at: float | None = None
        self._pictures: deque[int] = deque()
        self._most_pictures = round(limits.frame_rate * _TOLERANCE * _FRAMES_MS / 1000)

    def picture(self, picture: Picture) -> None:
        """A picture of this size follows. Raises OverLimit."""
        limits = self._limits
        if picture.width * picture.height > limits.pixels:
            raise OverLimit(
                f"The picture of {picture.width}×{picture.height} is too large: a live may have "
                f"{limits.pixels / 1e6:.3g} million pixels."
            )
        # Only the publisher's own word counts: the rate in an H.264 header may be of fields.
        if picture.stated_rate > limits.frame_rate * _TOLERANCE:
            raise OverLimit(_too_many(limits.frame_rate))

    def arrived(self, size: int, now: float) -> None:
        """So many bytes came. ``now``: a steady clock, in seconds. Raises OverLimit, and Stopped
        where no picture comes."""
        self._latest = now
        if self._pictured_at is None:
            self._pictured_at = now
        if now - self._pictured_at > NO_PICTURE_SECONDS:
            raise Stopped(f"no picture came for {NO_PICTURE_SECONDS:.0f} s")
        second = int(now)
        if self._seconds and self._seconds[-1][0] == second:
            size_before = self._seconds.pop()[1]
        else:
            size_before = 0
        self._seconds.append((second, size_before + size))
        self._bytes += size
        while self._seconds[0][0] <= second - _BIT_RATE_SECONDS:
            self._bytes -= self._seconds.popleft()[1]
        if 8 * self._bytes > self._limits.bit_rate * _TOLERANCE * _BIT_RATE_SECONDS:
            raise OverLimit(
                f"It sends more than the {self._limits.bit_rate / 1e6:.3g} Mbit/s that a live may "
                "have."
            )

    def pictured(self, milliseconds: int) -> None:
        """A picture, the latest that came, is placed at this time of the timeline. Raises
        OverLimit."""
        self._pictured_at = self._latest
        self._pictures.append(milliseconds)
        while self._pictures[0] <= milliseconds - _FRAMES_MS:
            self._pictures.popleft()
        if len(self._pictures) > self._most_pictures:
            raise OverLimit(_too_many(self._limits.frame_rate))


def _too_many(frame_rate: int) -> str:
    return f"It sends more than the {frame_rate} pictures a second that a live may have."
