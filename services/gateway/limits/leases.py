"""Tokens that were taken from Redis for a caller's next requests, and are not spent yet.

A player sends a dozen requests a second, and a question to Redis costs as much as all else that is
decided for one. So some tokens of a wide bucket are taken at once. Each is paid for before it is
spent: many gateways together let no more through than the rate, and only a burst can be longer, by
what each of them holds. What is not spent soon is lost, so little is taken, and not while the
bucket runs dry.
"""

from collections.abc import Callable
from typing import Final

from shared.token_bucket import Bucket, Decision

KEPT_SECONDS: Final = 1.0
"""Seconds after which tokens that were not spent are lost."""
MOST: Final = 15
"""Tokens that are taken at once, at most."""
_PART: Final = 64  # of a bucket at most one in so many
_MAX_LEASES: Final = 20_000


def lease_of(bucket: Bucket) -> int:
    """How many tokens are taken at once; 1 of a narrow bucket."""
    return max(1, min(MOST, bucket.burst // _PART))


class _Lease:
    """Tokens that are left. ``after``: what Redis said when it gave them."""

    __slots__ = ("after", "left", "until")

    def __init__(self, after: Decision, left: int, until: float) -> None:
        self.after = after
        self.left = left
        self.until = until


class Leases:
    """Leases by bucket. ``clock`` is a steady clock in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._leases: dict[bytes, _Lease] = {}

    def add(self, key: bytes, bucket: Bucket, taken: int, after: Decision) -> Decision:
        """Keep the tokens that Redis has given together, but for one, which is spent now."""
        now = self._clock()
        if len(self._leases) >= _MAX_LEASES:
            self._leases = {k: lease for k, lease in self._leases.items() if lease.until > now}
            if len(self._leases) >= _MAX_LEASES:
                self._leases.clear()
        lease = self._leases[key] = _Lease(after, taken, now + KEPT_SECONDS)
        return _spend(lease, bucket)

    def spend(self, key: bytes, bucket: Bucket) -> Decision | None:
        """The decision that a token which is there stands for; None where there is none."""
        lease = self._leases.get(key)
        if lease is None:
            return None
        if not lease.left or self._clock() >= lease.until:
            del self._leases[key]
            return None
        return _spend(lease, bucket)


def _spend(lease: _Lease, bucket: Bucket) -> Decision:
    """What Redis would have said, had it been asked for this token alone."""
    lease.left = left = lease.left - 1
    after = lease.after
    return Decision(True, after.remaining + left, 0, after.full_after - left * bucket.interval)
