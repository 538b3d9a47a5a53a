"""Work that is done once for all who ask for it meanwhile.

Thousands of viewers wait for one answer: each costs a future, and no task or timer of its own.
"""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class OnceForAll(Generic[T]):
    """What is under way, by key. To be made in the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, list[asyncio.Future[T]]] = {}
        self._tasks: set[asyncio.Task[T]] = set()

    @property
    def under_way(self) -> int:
        """How much is."""
        return len(self._waiting)

    def join(self, key: str) -> asyncio.Future[T] | None:
        """A future for the result of what is under way; None where nothing is.

        It is the caller's own: to cancel it ends nobody else's, nor the work.
        """
        waiting = self._waiting.get(key)
        if waiting is None:
            return None
        future: asyncio.Future[T] = self._loop.create_future()
        waiting.append(future)
        return future

    def begin(self, key: str, work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        """Start the work for a key, under which nothing is under way; the caller's future."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._waiting[key] = [future]
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(partial(self._done, key))
        return future

    def _done(self, key: str, task: asyncio.Task[T]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        for future in self._waiting.pop(key):
            # Who has hung up is not told.
            if future.done():
                continue
            if task.cancelled():
                future.cancel()
            elif error is not None:
                future.set_exception(error)
            else:
                future.set_result(task.result())
