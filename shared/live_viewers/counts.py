"""Numbers of viewers, read from Redis."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.live_viewers.windows import present_keys, total_key

# Nobody waits again for a Redis that did not answer just now.
_PAUSE_SECONDS: Final = 2.0


class ViewerCounts:
    """Reads them. ``redis`` is None where there is none: then no number is known.

    ``clock`` is in Unix seconds, ``steady`` in seconds.
    """

    def __init__(
        self,
        redis: "Redis | None",
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._clock = clock
        self._steady = steady
        self._paused_until = 0.0

    async def now(self, video_ids: Sequence[str]) -> dict[str, int]:
        """How many watch each live. All are left out where Redis does not answer."""
        at = self._clock()
        return await self._count({id_: present_keys(id_, at) for id_ in video_ids})

    async def total(self, video_ids: Sequence[str]) -> dict[str, int]:
        """How many have watched each live. All are left out where Redis does not answer."""
        return await self._count({id_: (total_key(id_),) for id_ in video_ids})

    async def _count(self, keys: Mapping[str, Sequence[str]]) -> dict[str, int]:
        if self._redis is None or not keys or self._steady() < self._paused_until:
            return {}
        pipeline = self._redis.pipeline(transaction=False)
        for each in keys.values():
            pipeline.pfcount(*each)
        try:
            counts: list[int] = await pipeline.execute()
        except (RedisError, OSError, TimeoutError):
            self._paused_until = self._steady() + _PAUSE_SECONDS
            return {}
        return dict(zip(keys, counts, strict=True))
