"""Callers of a grouped call are served by a run that began after they called."""

import asyncio

import pytest

from shared.blobs.grouped import GroupedCall


class Action:
    """Runs until it is released; counts its runs."""

    def __init__(self) -> None:
        self.runs = 0
        self.begun = asyncio.Event()
        self.release = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> None:
        self.runs += 1
        self.begun.set()
        await self.release.wait()
        if self.error is not None:
            raise self.error


async def test_callers_that_come_during_a_run_share_the_next_one() -> None:
    action = Action()
    call = GroupedCall(action)
    first = asyncio.create_task(call())
    await action.begun.wait()
    others = [asyncio.create_task(call()) for _ in range(5)]
    await asyncio.sleep(0)
    action.release.set()
    await asyncio.gather(first, *others)
    assert action.runs == 2


async def test_an_error_goes_to_its_group_and_to_no_other() -> None:
    action = Action()
    action.error = OSError("disk")
    call = GroupedCall(action)
    first = asyncio.create_task(call())
    await action.begun.wait()
    second = asyncio.create_task(call())
    await asyncio.sleep(0)
    action.release.set()
    with pytest.raises(OSError, match="disk"):
        await first
    with pytest.raises(OSError, match="disk"):
        await second
    action.error = None
    await call()


async def test_a_caller_that_leaves_takes_nothing_from_the_others() -> None:
    action = Action()
    call = GroupedCall(action)
    leaving, staying = asyncio.create_task(call()), asyncio.create_task(call())
    await action.begun.wait()
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    action.release.set()
    await staying
    assert action.runs == 1
