"""A loop repeats whatever fails, and ends when it is cancelled, however that surfaces."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from prometheus_client import CollectorRegistry

from shared.loops.cancellation import ForeignCancellation, TaskDidNotEnd, end
from shared.loops.loops import Loops
from tests.support.wait import eventually


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def loops(registry: CollectorRegistry) -> Loops:
    return Loops(registry)


async def test_a_step_that_fails_is_counted_and_tried_again(
    loops: Loops, registry: CollectorRegistry
) -> None:
    rounds = 0
    done = asyncio.Event()

    async def step() -> None:
        nonlocal rounds
        rounds += 1
        if rounds < 3:
            raise ConnectionError("away")
        done.set()

    task = asyncio.create_task(loops.repeat("work", step, 60, retry_seconds=0))
    await done.wait()
    assert registry.get_sample_value("cinelog_loop_failures_total", {"loop": "work"}) == 2
    await end([task])
    assert task.cancelled()


async def test_a_wake_up_ends_the_pause(loops: Loops) -> None:
    wake = asyncio.Event()
    rounds = asyncio.Queue[int]()
    count = iter(range(10))

    async def step() -> None:
        rounds.put_nowait(next(count))

    task = asyncio.create_task(loops.repeat("work", step, 3600, wake=wake))
    assert await rounds.get() == 0
    wake.set()
    assert await rounds.get() == 1
    await end([task])


async def test_with_no_retry_an_error_ends_the_loop(loops: Loops) -> None:
    async def step() -> None:
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        await loops.repeat("work", step, 60, retry_seconds=None)


async def disguised() -> None:
    """What a driver does that turns a cancellation into an error of its own."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise ConnectionError("the connection was closed in the middle of an operation") from None


async def swallowed() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return


@pytest.mark.parametrize("step", [disguised, swallowed])
async def test_no_loop_survives_its_cancellation(
    loops: Loops, step: Callable[[], Awaitable[None]]
) -> None:
    repeating = asyncio.create_task(loops.repeat("one", step, 0, retry_seconds=0))
    without_retry = asyncio.create_task(loops.repeat("two", step, 0, retry_seconds=None))
    holding = asyncio.create_task(loops.persist("three", lambda _progress: step(), retry_seconds=0))
    tasks = {repeating, without_retry, holding}
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    done, _ = await asyncio.wait(tasks, timeout=5)
    assert done == tasks
    assert repeating.cancelled()
    assert holding.cancelled()


async def cancelled_inside() -> None:
    """A library's own task is cancelled, and the caller waits for it."""
    own = asyncio.create_task(asyncio.Event().wait())
    await asyncio.sleep(0)
    own.cancel()
    await own


async def test_a_cancellation_that_nobody_requested_is_a_failure(loops: Loops) -> None:
    rounds: Counter[str] = Counter()

    def step(name: str) -> Callable[[], Awaitable[None]]:
        async def round_() -> None:
            rounds[name] += 1
            await cancelled_inside()

        return round_

    repeating = asyncio.create_task(loops.repeat("one", step("one"), 0, retry_seconds=0))
    holding = asyncio.create_task(
        loops.persist("two", lambda _progress: step("two")(), retry_seconds=0)
    )
    await eventually(lambda: min(rounds["one"], rounds["two"]) > 1)
    await end([repeating, holding])
    # In a task group a task that ends as cancelled is not missed.
    with pytest.raises(ForeignCancellation):
        await loops.repeat("three", step("three"), 0, retry_seconds=None)


async def test_a_task_group_that_fails_does_not_end_the_loop_around_it(loops: Loops) -> None:
    rounds: Counter[str] = Counter()

    async def fail(name: str) -> None:
        rounds[name] += 1
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.Event().wait())
            group.create_task(fail_at_once())

    repeating = asyncio.create_task(loops.repeat("one", lambda: fail("one"), 0, retry_seconds=0))
    holding = asyncio.create_task(
        loops.persist("two", lambda _progress: fail("two"), retry_seconds=0)
    )
    await eventually(lambda: min(rounds["one"], rounds["two"]) > 2)
    await end([repeating, holding])
    assert repeating.cancelled()
    assert holding.cancelled()


async def fail_at_once() -> None:
    await asyncio.sleep(0)
    raise ConnectionError("lost")


async def test_an_inner_timeout_is_no_cancellation(loops: Loops) -> None:
    rounds = 0
    twice = asyncio.Event()

    async def step() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 2:
            twice.set()
        async with asyncio.timeout(0):
            await disguised()

    task = asyncio.create_task(loops.repeat("work", step, 0, retry_seconds=0))
    await twice.wait()
    await end([task])


async def test_a_task_that_ignores_its_end_is_told() -> None:
    release = asyncio.Event()

    async def deaf() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    task = asyncio.create_task(deaf(), name="deaf")
    await asyncio.sleep(0)
    with pytest.raises(TaskDidNotEnd, match="deaf"):
        await end([task], seconds=0.01)
    release.set()
    await task


async def test_a_silent_loop_is_stuck_until_it_comes_round() -> None:
    now = 0.0
    loops = Loops(CollectorRegistry(), clock=lambda: now)
    release, begun = asyncio.Event(), asyncio.Event()

    async def step() -> None:
        begun.set()
        await release.wait()

    task = asyncio.create_task(loops.repeat("work", step, 20))
    await begun.wait()
    now = 99.0
    assert loops.progress.stuck() == {}
    now = 101.0
    assert loops.progress.stuck() == {"work": 101.0}
    loops.progress.advance("work")
    assert loops.progress.stuck() == {}
    await end([task])
    now = 1000.0
    assert loops.progress.stuck() == {}
