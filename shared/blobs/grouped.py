"""One call answers all callers that asked while the previous call was running."""

import asyncio
from collections.abc import Awaitable, Callable


class GroupedCall:
    """Runs ``action`` for groups of callers, one run at a time.

    A caller is served by a run that began after its call, never by one under way, so that what
    the caller did before is covered. An error goes to every caller of its group.
    """

    def __init__(self, action: Callable[[], Awaitable[object]]) -> None:
        self._action = action
        self._next: asyncio.Future[None] | None = None
        self._running: asyncio.Task[None] | None = None

    async def __call__(self) -> None:
        """Wait for a run that begins from now on. Raises what ``action`` raises."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        waiting = self._next
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="grouped call")
        # A caller that is cancelled must not cancel the future of the others.
        await asyncio.shield(waiting)

    async def _run(self) -> None:
        try:
            while self._next is not None:
                group, self._next = self._next, None
                try:
                    await self._action()
                except BaseException as error:
                    group.set_exception(error)
                    # Retrieved here, for every caller may be gone.
                    group.exception()
                    if not isinstance(error, Exception):
                        raise
                else:
                    group.set_result(None)
        finally:
            self._running = None
            if self._next is not None:
                self._next.cancel()
                self._next = None
