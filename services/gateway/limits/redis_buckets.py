"""Token buckets that Redis counts, one script call per token over a ``RedisPipe``.

All gateways share a bucket exactly, whatever their clocks say: the script runs at Redis' own time.
"""

from hashlib import sha1
from typing import Final

from hiredis import ReplyError

from services.gateway.limits.redis_pipe import RedisGone, RedisPipe
from shared.token_bucket import SCRIPT, Bucket, Decision, script_arguments, script_decision

_SHA: Final = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest().encode()
# EVALSHA with one key. What differs between calls follows: the key, then a cost, interval, burst.
_EVALSHA: Final = b"*7\r\n$7\r\nEVALSHA\r\n$40\r\n%b\r\n$1\r\n1\r\n" % _SHA


def packed_arguments(bucket: Bucket, tokens: int = 1) -> bytes:
    """The script's arguments for tokens of ``bucket``, in Redis' wire format."""
    return b"".join(_bulk(b"%d" % number) for number in script_arguments([bucket], tokens))


def _bulk(value: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(value), value)


class RedisBuckets:
    """Takes tokens from buckets in Redis. Raises RedisGone where Redis does not answer."""

    def __init__(self, pipe: RedisPipe) -> None:
        self._pipe = pipe

    async def take(self, key: bytes, arguments: bytes) -> Decision:
        """Tokens from the bucket ``key``; ``arguments`` are ``packed_arguments`` of it."""
        command = b"%b$%d\r\n%b\r\n%b" % (_EVALSHA, len(key), key, arguments)
        try:
            return script_decision(await self._pipe.call(command))
        except ReplyError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise RedisGone(str(error)) from error
        return await self._load_and_take(command)

    async def _load_and_take(self, command: bytes) -> Decision:
        """Redis does not know the script: it has restarted, or this is its first question."""
        try:
            await self._pipe.execute("SCRIPT", "LOAD", SCRIPT)
            return script_decision(await self._pipe.call(command))
        except ReplyError as error:
            raise RedisGone(str(error)) from error

    async def check(self) -> bool:
        """Whether Redis answers."""
        try:
            return await self._pipe.execute("PING") == b"PONG"
        except RedisGone:
            return False
