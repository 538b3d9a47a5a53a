"""How often a caller may ask for media and pages that are not there.

What is there is kept, or asked for once for all; what is not there is looked for anew each time, by
a service and the storage. So names without end, which cost nothing to make up, cost others more
than anything that can be watched, at the rate at which media may be asked for. Viewers meet what is
not there now and then: a part of a live that was never made, a video that is deleted.
"""

from collections.abc import Callable
from typing import Final

from shared.token_bucket import Bucket, Decision, LocalBuckets

STATUSES: Final = frozenset((400, 404, 410))
"""Statuses of answers to requests for what is not there."""


class Misses:
    """The misses of each caller, at this gateway. ``clock`` is a steady clock in seconds."""

    def __init__(self, bucket: Bucket, clock: Callable[[], float]) -> None:
        self._bucket = bucket
        self._buckets = LocalBuckets(clock)

    def count(self, identity: str) -> None:
        """One more. Beyond the limit nothing is counted, so that it is over soon."""
        self._buckets.take(identity.encode(), self._bucket)

    def refusal(self, identity: str) -> Decision | None:
        """The refusal of who has missed too often; None for all others."""
        name = identity.encode()
        if self._buckets.left(name, self._bucket):
            return None
        return self._buckets.take_all({name: self._bucket}, cost=1)
