"""Bytes that were stored for nothing: those of bodies whose checksum did not come or did not match.

Each user may have so many of them; who has used that up waits before the next body with a checksum.
"""

import time
from collections.abc import Callable
from typing import Final

from shared.errors import TooManyRequests
from shared.token_bucket import MICROS, Bucket, LocalBuckets

MIB: Final = 1024 * 1024
BURST: Final = 256
"""MiB that are free; one more with each second."""

_BUCKET: Final = Bucket(MICROS, BURST)


class TooMuchDiscarded(TooManyRequests):
    """Too many bytes of this user were thrown away."""

    code = "too_much_discarded"


class Discarded:
    """Counts by user, in this process. ``clock`` is a steady clock in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._buckets = LocalBuckets(clock)

    def check(self, user_id: str) -> None:
        """Raises TooMuchDiscarded."""
        if self._left(user_id) < 1:
            raise TooMuchDiscarded(
                "Too many bytes arrived damaged or not whole. Try again soon.", retry_after=10
            )

    def add(self, user_id: str, size: int) -> None:
        """So many bytes were thrown away."""
        cost = min(-(-size // MIB), self._left(user_id))
        if cost:
            self._buckets.take_all({user_id.encode(): _BUCKET}, cost)

    def _left(self, user_id: str) -> int:
        return self._buckets.take_all({user_id.encode(): _BUCKET}, 0).remaining
