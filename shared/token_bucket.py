"""The token bucket as one number (GCRA, ITU-T I.371), in Python and as a script for Redis.

``tat``, the theoretical arrival time, is when a bucket will be full again. A token drips in every
``interval``; a bucket is empty when its ``tat`` lies ``interval * burst`` ahead. Several buckets
can be asked together: each of them gives its tokens, or none does. All times are microseconds.

A negative cost gives tokens back, to a full bucket at most.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import ceil
from typing import Final, NamedTuple

import msgspec

MICROS: Final = 1_000_000

# Decides like ``take_all`` below, at Redis' own time: processes with any clocks share a bucket.
# KEYS: the buckets. ARGV: cost, then interval and burst of each bucket (``script_arguments``).
SCRIPT: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local cost = tonumber(ARGV[1])
local stored, levels, ahead = {}, {}, {}
local over = 0
for i, key in ipairs(KEYS) do
  local interval = tonumber(ARGV[2 * i])
  local capacity = interval * tonumber(ARGV[2 * i + 1])
  stored[i] = math.max(tonumber(redis.call('GET', key) or now) - now, 0)
  levels[i] = math.min(stored[i], capacity)
  ahead[i] = math.max(levels[i] + cost * interval, 0)
  over = math.max(over, ahead[i] - capacity)
end
local after = over > 0 and levels or ahead
local remaining, full = math.huge, 0
for i, key in ipairs(KEYS) do
  local interval = tonumber(ARGV[2 * i])
  local capacity = interval * tonumber(ARGV[2 * i + 1])
  remaining = math.min(remaining, math.floor((capacity - after[i]) / interval))
  full = math.max(full, after[i])
  if after[i] == 0 then
    if stored[i] > 0 then redis.call('DEL', key) end
  elseif after[i] ~= stored[i] then
    local tat = string.format('%.0f', now + after[i])
    redis.call('SET', key, tat, 'PX', math.ceil(after[i] / 1000) + 1)
  end
end
return {over > 0 and 0 or 1, remaining, over, full}
"""


class Bucket(NamedTuple):
    """``interval`` µs per token, at most ``burst`` tokens."""

    interval: int
    burst: int

    @property
    def window(self) -> int:
        """Seconds (at least 1) in which an empty bucket fills up."""
        return max(1, ceil(self.interval * self.burst / MICROS))


class Decision(msgspec.Struct, frozen=True):
    """``retry_after`` and ``full_after`` are µs from now; the first is 0 when allowed.

    Of several buckets the fewest tokens and the longest times count.
    """

    allowed: bool
    remaining: int
    retry_after: int
    full_after: int


def script_arguments(buckets: Iterable[Bucket], cost: int = 1) -> list[int]:
    """The arguments of ``SCRIPT`` for buckets in the order of its keys."""
    return [cost, *(number for bucket in buckets for number in bucket)]


def script_decision(reply: Sequence[int]) -> Decision:
    """The decision that a reply of ``SCRIPT`` stands for."""
    allowed, remaining, retry_after, full_after = reply
    return Decision(allowed == 1, remaining, retry_after, full_after)


def take(bucket: Bucket, tat: int, now: int, cost: int = 1) -> tuple[Decision, int]:
    """Decide at ``now``; returns the new ``tat`` too."""
    capacity = bucket.interval * bucket.burst
    level = min(max(tat - now, 0), capacity)  # a clock set back must not lock anyone out
    ahead = max(level + cost * bucket.interval, 0)
    if ahead > capacity:
        left = (capacity - level) // bucket.interval
        return Decision(False, left, ahead - capacity, level), now + level
    return Decision(True, (capacity - ahead) // bucket.interval, 0, ahead), now + ahead


def take_all(
    buckets: Sequence[Bucket], tats: Sequence[int], now: int, cost: int = 1
) -> tuple[Decision, list[int]]:
    """``take`` of all ``buckets``, at least one, or of none; returns their new ``tats`` too."""
    pairs = [*zip(buckets, tats, strict=True)]
    results = [take(bucket, tat, now, cost) for bucket, tat in pairs]
    allowed = all(decision.allowed for decision, _ in results)
    if not allowed:
        results = [
            take(bucket, tat, now, 0) if result[0].allowed else result
            for (bucket, tat), result in zip(pairs, results, strict=True)
        ]
    return Decision(
        allowed,
        min(decision.remaining for decision, _ in results),
        max(decision.retry_after for decision, _ in results),
        max(decision.full_after for decision, _ in results),
    ), [tat for _, tat in results]


class LocalBuckets:
    """Buckets in this process's memory, at most ``limit``; the fullest are forgotten first.

    ``clock`` is a steady clock in seconds.
    """

    def __init__(self, clock: Callable[[], float], limit: int = 50_000) -> None:
        self._clock = clock
        self._limit = limit
        self._tats: dict[bytes, int] = {}

    def take(self, name: bytes, bucket: Bucket) -> Decision:
        """One token from the bucket ``name``."""
        now = int(self._clock() * MICROS)
        decision, tat = take(bucket, self._tats.get(name, 0), now)
        if decision.allowed:
            self._keep(name, tat, now)
        return decision

    def take_all(self, buckets: Mapping[bytes, Bucket], cost: int = 1) -> Decision:
        """Like the function ``take_all``, for buckets by name."""
        now = int(self._clock() * MICROS)
        known = [self._tats.get(name, 0) for name in buckets]
        decision, tats = take_all([*buckets.values()], known, now, cost)
        if decision.allowed:
            for name, tat in zip(buckets, tats, strict=True):
                self._keep(name, tat, now)
        return decision

    def left(self, name: bytes, bucket: Bucket) -> int:
        """The tokens of the bucket ``name``."""
        now = int(self._clock() * MICROS)
        return take(bucket, self._tats.get(name, 0), now, 0)[0].remaining

    def note(self, name: bytes, full_after: int) -> None:
        """Redis said that the bucket ``name`` will be full in ``full_after`` µs."""
        now = int(self._clock() * MICROS)
        self._keep(name, now + full_after, now)

    def _keep(self, name: bytes, tat: int, now: int) -> None:
        if len(self._tats) >= self._limit and name not in self._tats:
            self._forget(now)
        self._tats[name] = tat

    def _forget(self, now: int) -> None:
        """Drop the full buckets, which changes no decision, and if need be the next fullest."""
        self._tats = {name: tat for name, tat in self._tats.items() if tat > now}
        if len(self._tats) >= self._limit:
            emptiest = sorted(self._tats.items(), key=lambda item: -item[1])
            self._tats = dict(emptiest[: self._limit // 2])
