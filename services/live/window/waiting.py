"""Requests that wait for the edge of a window, so many at most."""

import asyncio
from collections.abc import Callable
from typing import Final

from shared.errors import Unavailable

# Gateways ask once for all their viewers, so this is far above what there is.
_MAX_WAITING: Final = 2000


class TooManyWaiting(Unavailable):
    """The limit of requests that wait is reached."""

    code = "too_many_waiting"


class Changes:
    """Wakes those that wait whenever the window has more."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def notify(self) -> None:
        """There is more."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until it holds; False where it does not in time. Raises TooManyWaiting."""
        if condition():
            return True
        if len(self._waiting) >= _MAX_WAITING:
            raise TooManyWaiting("too many requests wait for this stream")
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    await self._next()
        except TimeoutError:
            return False
        return True

    async def _next(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)
