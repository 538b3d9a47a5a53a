"""Work that is done once: whoever waits gets its end, and whoever leaves takes nobody along."""

import asyncio

import pytest

from services.gateway.upstream.once_for_all import OnceForAll


class Work:
    """Ends when it is told to."""

    def __init__(self) -> None:
        self.end = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> str:
        await self.end.wait()
        if self.error is not None:
            raise self.error
        return "done"


async def wait(future: asyncio.Future[str] | None) -> str:
    assert future is not None
    return await future


async def test_all_who_ask_meanwhile_get_one_answer() -> None:
    once, work = OnceForAll[str](), Work()
    assert once.join("a") is None
    waiting = [asyncio.create_task(wait(once.begin("a", work())))]
    waiting += [asyncio.create_task(wait(once.join("a"))) for _ in range(5)]
    assert once.under_way == 1
    work.end.set()
    assert await asyncio.gather(*waiting) == ["done"] * 6
    assert once.join("a") is None
    assert once.under_way == 0


async def test_who_hangs_up_ends_neither_the_work_nor_others_waiting() -> None:
    once, work = OnceForAll[str](), Work()
    first = asyncio.create_task(wait(once.begin("a", work())))
    second, third = (asyncio.create_task(wait(once.join("a"))) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    work.end.set()
    assert await third == "done"


async def test_all_learn_of_a_failure_also_if_nobody_is_left() -> None:
    once, work = OnceForAll[str](), Work()
    work.error = ValueError("no")
    waiting = [once.begin("a", work()), once.join("a")]
    alone = once.begin("b", work())
    alone.cancel()
    work.end.set()
    for future in waiting:
        with pytest.raises(ValueError, match="no"):
            await wait(future)
    assert once.under_way == 0


async def test_work_that_is_cancelled_leaves_nobody_waiting() -> None:
    once, work = OnceForAll[str](), Work()
    waiting = [once.begin("a", work()), once.join("a")]
    next(iter(once._tasks)).cancel()
    for future in waiting:
        with pytest.raises(asyncio.CancelledError):
            await wait(future)
    assert once.under_way == 0
