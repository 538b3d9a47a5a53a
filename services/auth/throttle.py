"""Token buckets in Redis slow down guessing; only failed attempts empty them.

An attempt from a device that the account has logged in on before takes from that device's bucket
alone: guesses from elsewhere, even from the same address, cannot lock the owner out. Any other
attempt takes from three buckets: this client on this account, this account from unknown clients,
and this client on all accounts (many accounts, one password). Programs without cookies are known
by their address instead: one that has logged in before does not take from the account's bucket.
Every bucket refills by itself. Without Redis each process keeps the same buckets in memory:
stricter per replica, never open.
"""

import hashlib
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from opentelemetry.trace import SpanKind
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.errors import TooManyRequests
from shared.telemetry import child_span, get_logger
from shared.token_bucket import (
    MICROS,
    SCRIPT,
    Bucket,
    Decision,
    LocalBuckets,
    script_arguments,
    script_decision,
)

KNOWN_SECONDS: Final = 90 * 24 * 3600
_MAX_LOCAL: Final = 20_000


class LoginThrottle:
    """Implements ``Throttle``.

    ``burst`` failures are free; then one attempt per ``refill`` seconds.
    """

    def __init__(
        self, redis: "Redis", *, burst: int, refill: float, prefix: str = "auth:throttle:"
    ) -> None:
        self._redis = redis
        self._burst = burst
        self._refill = refill
        self._prefix = prefix
        self._script: Callable[..., Awaitable[Any]] = redis.register_script(SCRIPT)
        self._local = LocalBuckets(time.monotonic, _MAX_LOCAL)
        self._log = get_logger(__name__)
        self._redis_gone = False

    async def attempt(self, client: str, account: str, device: str = "") -> None:
        decision = await self._take(client, account, device, 1)
        if not decision.allowed:
            raise TooManyRequests(
                "Too many failed attempts. Wait a little and try again.",
                retry_after=decision.retry_after / MICROS,
            )

    async def succeeded(self, client: str, account: str, device: str = "") -> None:
        await self.undecided(client, account, device)
        await self.remember(client, account)

    async def undecided(self, client: str, account: str, device: str = "") -> None:
        await self._take(client, account, device, -1)

    async def remember(self, client: str, account: str) -> None:
        await self._try(self._redis.set(self._known_key(client, account), 1, ex=KNOWN_SECONDS))

    async def _take(self, client: str, account: str, device: str, cost: int) -> Decision:
        """Take from all buckets of an attempt, or give back where ``cost`` is negative."""
        buckets = await self._buckets(client, account, device)
        reply = await self._try(
            self._script(keys=[*buckets], args=script_arguments(buckets.values(), cost))
        )
        return self._local.take_all(buckets, cost) if reply is None else script_decision(reply)

    async def _buckets(self, client: str, account: str, device: str) -> dict[bytes, Bucket]:
        refill = int(self._refill * MICROS)
        if device:
            return {self._key("device", device, account): Bucket(refill, self._burst)}
        buckets = {
            self._key("pair", client, account): Bucket(refill, self._burst),
            self._key("client", client): Bucket(refill // 2, self._burst * 10),
        }
        if not await self._try(self._redis.exists(self._known_key(client, account))):
            buckets[self._key("account", account)] = Bucket(refill, self._burst)
        return buckets

    def _key(self, kind: str, *parts: str) -> bytes:
        return f"{self._prefix}{kind}:{_digest(*parts)}".encode()

    def _known_key(self, client: str, account: str) -> bytes:
        return self._key("known", client, account)

    async def _try(self, answer: Awaitable[Any]) -> Any:
        """The answer of Redis, or None where it does not answer."""
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


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
