"""Waiting for a condition instead of for a time."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

# A condition that takes long is looked at less and less often: by this share of the time that it
# has taken so far, and at least so often.
_SHARE = 0.05
_RAREST = 0.2


async def eventually(
    fn: Callable[[], Awaitable[T | None]] | Callable[[], T | None],
    timeout: float = 60.0,
    *,
    every: float = 0.02,
) -> T:
    """Call ``fn`` until its (awaited) answer is true, and return it.

    The first calls are ``every`` so many seconds; later ones are fewer, as a call may be costly.
    AssertionError counts as "not yet", so ``fn`` may assert. After ``timeout`` seconds the last
    AssertionError is raised, or TimeoutError with the last answer.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    deadline = began + timeout
    while True:
        failure: AssertionError | None = None
        last: T | None = None
        try:
            outcome = fn()
            last = await outcome if inspect.isawaitable(outcome) else outcome
        except AssertionError as error:
            failure = error
        if last:
            return last
        if loop.time() > deadline:
            raise failure or TimeoutError(f"still {last!r} after {timeout} s")
        await asyncio.sleep(max(every, min(_RAREST, _SHARE * (loop.time() - began))))
