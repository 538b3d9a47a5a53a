"""Guessing is slowed down by token buckets in Redis that only failures empty.

Three buckets per attempt: this client on this account, this account from clients that never knew
its password, and this client over all accounts (many accounts, one password). A client that has
logged in before is spared the account's bucket, so whoever hammers an account from elsewhere
cannot keep its owner out; and every bucket refills by itself. Without Redis the same buckets are
kept in this process: stricter per replica, never open.
"""

import hashlib
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from opentelemetry.trace import SpanKind
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.errors import TooManyRequests
from shared.telemetry import child_span, get_logger

KNOWN_SECONDS: Final = 90 * 24 * 3600
_MAX_LOCAL: Final = 20_000

# GCRA (a token bucket in one number): the time at which the bucket will be full again. All keys
# are asked first; only if none refuses are all charged. Times are Redis' own, in microseconds.
_TAKE: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local full = {}
local wait = 0
for i = 1, #KEYS do
  local refill = tonumber(ARGV[2 * i - 1])
  local burst = tonumber(ARGV[2 * i])
  local at = math.max(tonumber(redis.call('GET', KEYS[i]) or 0), now) + refill
  wait = math.max(wait, at - now - refill * burst)
  full[i] = at
end
if wait > 0 then return wait end
for i = 1, #KEYS do
  redis.call('SET', KEYS[i], string.format('%.0f', full[i]), 'PX',
             math.ceil((full[i] - now) / 1000) + 1)
end
return 0
"""
_GIVE_BACK: Final = """
for i = 1, #KEYS do
  local at = redis.call('GET', KEYS[i])
  if at then
    redis.call('SET', KEYS[i], string.format('%.0f', tonumber(at) - tonumber(ARGV[i])), 'KEEPTTL')
  end
end
return 0
"""


class Bucket(msgspec.Struct, frozen=True):
    """``burst`` tokens at most, one more every ``refill`` seconds."""

    key: str
    refill: float
    burst: int


class LoginThrottle:
    """The ``Throttle`` of logins and other password checks.

    ``burst`` failures are free; then one attempt per ``refill`` seconds.
    """

    def __init__(
        self, redis: "Redis", *, burst: int, refill: float, prefix: str = "auth:throttle:"
    ) -> None:
        self._redis = redis
        self._burst = burst
        self._refill = refill
        self._prefix = prefix
        self._take: Callable[..., Awaitable[Any]] = redis.register_script(_TAKE)
        self._give_back: Callable[..., Awaitable[Any]] = redis.register_script(_GIVE_BACK)
        self._local: dict[str, float] = {}
        self._log = get_logger(__name__)
        self._redis_gone = False

    async def attempt(self, client: str, account: str) -> None:
        buckets = [*self._client_buckets(client, account)]
        known = await self._try(self._redis.exists(self._known_key(client, account)))
        if not known:
            buckets.append(self._account_bucket(account))
        arguments = [n for b in buckets for n in (int(b.refill * 1_000_000), b.burst)]
        waited = await self._try(self._take(keys=[b.key for b in buckets], args=arguments))
        wait = self._take_locally(buckets) if waited is None else float(waited) / 1_000_000
        if wait > 0:
            raise TooManyRequests(
                "Too many failed attempts. Wait a little and try again.", retry_after=wait
            )

    async def succeeded(self, client: str, account: str) -> None:
        await self.undecided(client, account)
        await self._try(self._redis.set(self._known_key(client, account), 1, ex=KNOWN_SECONDS))

    async def undecided(self, client: str, account: str) -> None:
        known = await self._try(self._redis.exists(self._known_key(client, account)))
        buckets = [*self._client_buckets(client, account)]
        if not known:
            buckets.append(self._account_bucket(account))
        refills = [int(b.refill * 1_000_000) for b in buckets]
        given = await self._try(self._give_back(keys=[b.key for b in buckets], args=refills))
        if given is None:
            for bucket in buckets:
                self._local[bucket.key] = self._local.get(bucket.key, 0) - bucket.refill

    def _client_buckets(self, client: str, account: str) -> tuple[Bucket, Bucket]:
        pair = _digest(client, account)
        return (
            Bucket(f"{self._prefix}pair:{pair}", self._refill, self._burst),
            Bucket(f"{self._prefix}client:{_digest(client)}", self._refill / 2, self._burst * 10),
        )

    def _account_bucket(self, account: str) -> Bucket:
        return Bucket(f"{self._prefix}account:{_digest(account)}", self._refill, self._burst)

    def _known_key(self, client: str, account: str) -> str:
        return f"{self._prefix}known:{_digest(client, account)}"

    async def _try(self, answer: Awaitable[Any]) -> Any:
        """Redis' answer, or None where it gives none."""
        try:
            with child_span("redis throttle", kind=SpanKind.CLIENT):
                result = await answer
        except (RedisError, OSError) as error:
            if not self._redis_gone:
                self._log.warning("throttling locally: Redis does not answer", reason=repr(error))
            self._redis_gone = True
            return None
        self._redis_gone = False
        return result

    def _take_locally(self, buckets: list[Bucket]) -> float:
        now = time.monotonic()
        full = {b.key: max(self._local.get(b.key, 0), now) + b.refill for b in buckets}
        wait = max(full[b.key] - now - b.refill * b.burst for b in buckets)
        if wait <= 0:
            self._local.update(full)
            while len(self._local) > _MAX_LOCAL:
                self._local.pop(next(iter(self._local)))
        return max(wait, 0)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
