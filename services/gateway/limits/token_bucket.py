"""The token bucket as one number (GCRA): pure, exact to the microsecond.

`tat`, the theoretical arrival time, is when the bucket will be full again. A token takes
`interval` to drip in; the bucket is empty when `tat` lies `interval * burst` ahead.
(ITU-T I.371; the same arithmetic runs as a script in Redis, see `rate_limit`.)
"""

import re
from collections.abc import Callable
from math import ceil
from typing import NamedTuple

from msgspec import Struct

MICROS = 1_000_000
_PERIODS = {"s": 1, "m": 60, "h": 3600}
_RATE = re.compile(r"(\d+)/(\d*)([smh])\s+burst\s+(\d+)")


class Bucket(NamedTuple):
    """`interval` µs per token, at most `burst` tokens."""

    interval: int
    burst: int

    @property
    def window(self) -> int:
        """Seconds (at least 1) in which an empty bucket fills up."""
        return max(1, ceil(self.interval * self.burst / MICROS))


class Decision(Struct, frozen=True):
    """`retry_after` and `full_after` are µs from now; the first is 0 when allowed."""

    allowed: bool
    remaining: int
    retry_after: int
    full_after: int


def parse(text: str) -> Bucket:
    """`10/s burst 20`, `1/20s burst 3`, `100/m burst 5`; ValueError when it is neither."""
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise ValueError("write it like '10/s burst 20' or '1/20s burst 3'")
    tokens, periods, unit, burst = match.groups()
    if not int(tokens) or not int(burst) or periods == "0":
        raise ValueError("rate and burst must be at least 1")
    interval = int(periods or 1) * _PERIODS[unit] * MICROS // int(tokens)
    if not interval:
        raise ValueError("more than a million tokens per second is no limit")
    return Bucket(interval, int(burst))


def take(bucket: Bucket, tat: int, now: int, cost: int = 1) -> tuple[Decision, int]:
    """Decide at `now` (µs), and the new `tat`. A cost of 0 only looks."""
    capacity = bucket.interval * bucket.burst
    level = min(max(tat - now, 0), capacity)  # a clock set back must not lock anyone out
    ahead = level + cost * bucket.interval
    if ahead > capacity:
        left = (capacity - level) // bucket.interval
        return Decision(False, left, ahead - capacity, level), now + level
    return Decision(True, (capacity - ahead) // bucket.interval, 0, ahead), now + ahead


class LocalBuckets:
    """Buckets in memory, at most `limit` of them; the fullest are forgotten first."""

    def __init__(self, clock: Callable[[], float], limit: int = 50_000) -> None:
        self._clock = clock
        self._limit = limit
        self._tats: dict[bytes, int] = {}

    def take(self, bucket: Bucket, key: bytes, cost: int = 1) -> Decision:
        """Like `take`, for the bucket named `key`."""
        now = int(self._clock() * MICROS)
        decision, tat = take(bucket, self._tats.get(key, 0), now, cost)
        if cost and decision.allowed:
            if len(self._tats) >= self._limit and key not in self._tats:
                self._forget(now)
            self._tats[key] = tat
        return decision

    def note(self, key: bytes, full_after: int) -> None:
        """Elsewhere the bucket named `key` was found to be full again in `full_after` µs."""
        if len(self._tats) >= self._limit and key not in self._tats:
            self._forget(int(self._clock() * MICROS))
        self._tats[key] = int(self._clock() * MICROS) + full_after

    def _forget(self, now: int) -> None:
        """Drop the full ones, which is harmless, and if need be the next fullest."""
        self._tats = {key: tat for key, tat in self._tats.items() if tat > now}
        if len(self._tats) >= self._limit:
            emptiest = sorted(self._tats.items(), key=lambda item: -item[1])
            self._tats = dict(emptiest[: self._limit // 2])
