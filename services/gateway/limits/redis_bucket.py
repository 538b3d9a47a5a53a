"""A token bucket for the `limits` library, which has none: an item, a storage, a strategy.

The bucket lives in Redis under one key, counted in Redis' own time by one atomic script,
so any number of gateways with any clocks share it exactly. The storage speaks through
`RedisPipe`; the arithmetic is that of `token_bucket.take`.
"""

import time
from collections.abc import Awaitable
from hashlib import sha1

from hiredis import ReplyError
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import Storage
from limits.aio.strategies import RateLimiter
from limits.util import WindowStats

from services.gateway.limits.redis_pipe import RedisGone, RedisPipe
from services.gateway.limits.token_bucket import MICROS, Bucket, Decision

# KEYS[1]: the bucket. ARGV: interval in µs, burst, cost.
SCRIPT = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local interval = tonumber(ARGV[1])
local capacity = interval * tonumber(ARGV[2])
local tat = tonumber(redis.call('GET', KEYS[1]) or now)
local level = math.min(math.max(tat - now, 0), capacity)
local ahead = level + tonumber(ARGV[3]) * interval
if ahead > capacity then
  if tat - now > capacity then -- the clock was set back, or the limit is a new one
    local full = string.format("%.0f", now + level)
    redis.call("SET", KEYS[1], full, "PX", math.ceil(level / 1000) + 1)
  end
  return {0, math.floor((capacity - level) / interval), ahead - capacity, level}
end
if ahead > level then
  redis.call('SET', KEYS[1], string.format('%.0f', now + ahead), 'PX', math.ceil(ahead / 1000) + 1)
end
return {1, math.floor((capacity - ahead) / interval), 0, ahead}
"""
_SHA = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest().encode()


_ONE = b"$1\r\n1\r\n"


class TokenBucketItem(RateLimitItemPerSecond):
    """A limit: `bucket`, under the name `namespace`."""

    __slots__ = ["bucket", "prefix", "tail"]

    def __init__(self, bucket: Bucket, namespace: str) -> None:
        super().__init__(bucket.burst, bucket.window, namespace)
        self.bucket = bucket
        self.prefix = namespace.encode() + b":"
        self.tail = b"".join(b"$%d\r\n%d\r\n" % (len(b"%d" % n), n) for n in bucket)

    def key_for(self, *identifiers: bytes | str | float) -> str:
        """`namespace:identifier/…`, the same whatever rate is configured."""
        return f"{self.namespace}:{'/'.join(map(str, identifiers))}"


class TokenBucketStorage(Storage):
    """`limits` storage over a `RedisPipe`."""

    STORAGE_SCHEME = None  # made with a pipe, not from a URI

    def __init__(self, pipe: RedisPipe) -> None:
        super().__init__()
        self._pipe = pipe
        self._call = b"*7\r\n$7\r\nEVALSHA\r\n$40\r\n" + _SHA + b"\r\n$1\r\n1\r\n"

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        return (RedisGone, ReplyError)

    async def take(self, item: TokenBucketItem, key: bytes, cost: int = 1) -> Decision:
        """Take `cost` tokens (0: only look) from the bucket named `key`. RedisGone."""
        asked = _ONE if cost == 1 else b"$%d\r\n%d\r\n" % (len(b"%d" % cost), cost)
        packed = b"%b$%d\r\n%b\r\n%b%b" % (self._call, len(key), key, item.tail, asked)
        try:
            allowed, remaining, retry_after, full_after = await self._pipe.call(packed)
        except ReplyError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise RedisGone(str(error)) from error
            await self._pipe.execute("SCRIPT", "LOAD", SCRIPT)
            allowed, remaining, retry_after, full_after = await self._pipe.call(packed)
        return Decision(allowed == 1, remaining, retry_after, full_after)

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        counted = self._pipe.execute("INCRBY", key, amount)
        self._pipe.execute("EXPIRE", key, expiry, "NX")
        return await counted

    async def get(self, key: str) -> int:
        return int(await self._pipe.execute("GET", key) or 0)

    async def get_expiry(self, key: str) -> float:
        return time.time() + max(0, await self._pipe.execute("PTTL", key)) / 1000

    async def check(self) -> bool:
        try:
            return await self._pipe.execute("PING") == b"PONG"
        except RedisGone:
            return False

    async def reset(self) -> int | None:
        raise NotImplementedError("the database is shared; clear single keys")

    async def clear(self, key: str) -> None:
        await self._pipe.execute("DEL", key)


class TokenBucketRateLimiter(RateLimiter):
    """`limits` strategy. `acquire` is `hit` that also tells what is left."""

    def __init__(self, storage: TokenBucketStorage) -> None:
        super().__init__(storage)
        self._buckets = storage

    def acquire(self, item: TokenBucketItem, key: bytes, cost: int = 1) -> Awaitable[Decision]:
        """Take tokens from the bucket that `key` names, prefix included."""
        return self._buckets.take(item, key, cost)

    async def hit(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        return (await self._take(item, identifiers, cost)).allowed

    async def test(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        return (await self._take(item, identifiers, 0)).remaining >= cost

    async def get_window_stats(self, item: RateLimitItem, *identifiers: str) -> WindowStats:
        seen = await self._take(item, identifiers, 0)
        return WindowStats(time.time() + seen.full_after / MICROS, seen.remaining)

    async def _take(self, item: RateLimitItem, ids: tuple[str, ...], cost: int) -> Decision:
        if not isinstance(item, TokenBucketItem):
            raise TypeError("a token bucket needs a TokenBucketItem")
        return await self._buckets.take(item, item.key_for(*ids).encode(), cost)
