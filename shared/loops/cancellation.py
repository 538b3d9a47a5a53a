"""Cancellation that stays a cancellation.

A library may turn the CancelledError that reaches it into an error of its own, or swallow it.
asyncio still counts the request, so a loop that handles every error asks here whether it should
end instead.

A library may also raise a CancelledError that nobody requested: that of a task of its own. A task
group takes a task that ends with it for one that was cancelled, and goes on without it.
"""

import asyncio
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, Final

# Seconds that cancelled tasks have to end, and between two requests to do so.
END_SECONDS: Final = 15.0
_REPEAT_SECONDS: Final = 5.0


class TaskDidNotEnd(Exception):
    """A cancelled task still runs: the process has to end."""


class ForeignCancellation(ConnectionError):
    """A library's own task was cancelled, for example that of a connection that it gave up."""


@contextmanager
def no_foreign_cancellation() -> Generator[None]:
    """Raises ForeignCancellation for a CancelledError that the current task was not asked for."""
    try:
        yield
    except asyncio.CancelledError as error:
        check_cancelled()
        raise ForeignCancellation("a library cancelled what was waited for") from error


def check_cancelled() -> None:
    """Raises CancelledError where the current task was asked to end."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def end(tasks: Iterable[asyncio.Task[Any]], *, seconds: float = END_SECONDS) -> None:
    """Cancel ``tasks`` and wait until they have ended; their results and errors are dropped.

    The request is repeated after five seconds, because code inside a task may swallow one. Raises
    TaskDidNotEnd after ``seconds``.
    """
    pending = {task for task in tasks if not task.done()}
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while pending:
        for task in pending:
            task.cancel()
        left = deadline - loop.time()
        if left <= 0:
            names = ", ".join(sorted(task.get_name() for task in pending))
            raise TaskDidNotEnd(f"still running after {seconds:g} s: {names}")
        done, pending = await asyncio.wait(pending, timeout=min(left, _REPEAT_SECONDS))
        for task in done:
            if not task.cancelled():
                task.exception()
