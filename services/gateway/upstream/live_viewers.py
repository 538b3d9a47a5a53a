"""Counts who watches a running live, from the playlists that players reload.

A viewer is an address and one of a few numbers that follow from the program (or, with a grant, from
its session): people behind one address are told apart, and nobody is many by sending other headers.
Only hashes leave this process, under a key that changes every day, and into a HyperLogLog, which
keeps none of them. Players do not wait for it: what is new goes to Redis once a second.
"""

import hmac
import time
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from hiredis import ReplyError

from services.gateway.limits.redis_pipe import RedisGone, RedisPipe
from shared.live_viewers.windows import (
    KEPT_SECONDS,
    TOTAL_SECONDS,
    total_key,
    window_at,
    window_key,
)

FLUSH_SECONDS: Final = 1.0
PER_ADDRESS: Final = 32
"""Viewers that an address can be at most."""
# Viewers of one window in this process; further ones are not counted.
_MAX_SEEN: Final = 200_000
_HASH_BYTES: Final = 16

_Seen = tuple[str, str, int]


class LiveViewers:
    """``saw`` is called for each reload, ``flush`` every ``FLUSH_SECONDS``.

    ``clock`` is in Unix seconds.
    """

    def __init__(
        self, pipe: RedisPipe, secret: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._pipe = pipe
        self._secret = hmac.digest(secret.encode(), b"cinelog live viewers v1", "sha256")
        self._clock = clock
        self._window = 0
        self._seen: set[_Seen] = set()
        self._new: dict[str, list[_Seen]] = {}

    def saw(self, video: str, address: str, program: bytes) -> None:
        """A player has reloaded a playlist of ``video``."""
        seen = (video, address, zlib.crc32(program) % PER_ADDRESS)
        if seen in self._seen or len(self._seen) >= _MAX_SEEN:
            return
        self._seen.add(seen)
        self._new.setdefault(video, []).append(seen)

    async def flush(self) -> None:
        """Add the new viewers to those in Redis. Without Redis, they are new again."""
        now = self._clock()
        window = window_at(now)
        new, self._new = self._new, {}
        if window != self._window:
            self._window = window
            # Whoever still watches is new in this window.
            self._seen = {seen for group in new.values() for seen in group}
        day = datetime.fromtimestamp(now, UTC).date().isoformat()
        try:
            for video, group in new.items():
                await self._add(video, [self._name(day, seen) for seen in group], window)
        except (RedisGone, ReplyError):
            self._seen.clear()

    async def _add(self, video: str, names: list[bytes], window: int) -> None:
        """Commands of one turn leave in one write."""
        replies = [
            self._pipe.execute(*command)
            for key, seconds in (
                (window_key(video, window), KEPT_SECONDS),
                (total_key(video), TOTAL_SECONDS),
            )
            for command in (("PFADD", key, *names), ("EXPIRE", key, seconds))
        ]
        for reply in replies:
            await reply

    def _name(self, day: str, seen: _Seen) -> bytes:
        video, address, number = seen
        text = f"{day} {video} {number} {address}"
        return hmac.digest(self._secret, text.encode(), "sha256")[:_HASH_BYTES]
