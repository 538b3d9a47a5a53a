"""Messages that no worker takes: when a task is sent again."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.scheduler.tasks import URGENT_PRIORITY
from tests.integration.transcoder.task_table import (
    Scheduler,
    add_job,
    age,
    execute,
    hold,
    next_task,
    project,
    task_row,
    uploads,
)

URGENT, LAST_URGENT, BULK = 0, URGENT_PRIORITY, URGENT_PRIORITY + 1


async def put(engine: AsyncEngine, user: str, state: str, priority: int) -> str:
    """A task in a state for 12 seconds: a message so old is lost where a worker is free."""
    (name,) = await add_job(engine, user, 1, priority=priority, state=state)
    await execute(
        engine,
        "update transcoder.tasks set queued_at = now() - interval '12 seconds', seen_at = now()"
        " where task_id = :id",
        id=name,
    )
    return name


async def test_an_unclaimed_message_is_sent_again(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    await project(engine, *uploads("a", 1))
    await next_task(scheduler)
    assert await scheduler.expire() == 0
    # It may be that no worker is there yet: then none has lost it.
    await age(engine, 12)
    assert await scheduler.expire() == 0
    await age(engine, 88)
    assert await scheduler.expire() == 1
    assert (await next_task(scheduler)).dispatch == 2


async def test_a_message_is_lost_where_a_worker_has_a_free_slot(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    await project(engine, *uploads("a", 2))
    await scheduler.seen("w", 1)
    first, waiting = await scheduler.pick("urgent")
    running = await hold(scheduler, first)
    await age(engine, 12)
    assert await scheduler.beat(running, "w", 0.5, None)
    # The only slot is taken: the message waits behind the other.
    await scheduler.seen("w", 1)
    assert await scheduler.expire() == 0
    # With a second slot nothing is before it.
    await scheduler.seen("x", 1)
    assert await scheduler.expire() == 1
    again = await next_task(scheduler)
    assert (again.task_id, again.dispatch) == (waiting.task_id, 2)
    assert (await task_row(engine, running.task_id)).state == "running"


async def test_the_slots_of_a_worker_that_is_gone_take_no_message(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    await put(engine, "a", "queued", URGENT)
    await scheduler.seen("gone", 1)
    await execute(engine, "update transcoder.workers set seen_at = now() - interval '1 hour'")
    assert await scheduler.expire() == 0
    await scheduler.seen("here", 1)
    assert await scheduler.expire() == 1


async def test_tasks_that_wait_hold_no_slot(engine: AsyncEngine, scheduler: Scheduler) -> None:
    await scheduler.seen("w", 1)
    name = await put(engine, "a", "queued", URGENT)
    await put(engine, "b", "waiting", URGENT)
    assert await scheduler.expire() == 1
    assert (await task_row(engine, name)).state == "waiting"


@pytest.mark.parametrize(
    ("running", "queued", "is_lost"),
    [
        (URGENT, URGENT, False),
        (LAST_URGENT, URGENT, False),
        (URGENT, LAST_URGENT, False),
        (BULK, BULK, False),
        (BULK, URGENT, True),
        (BULK, LAST_URGENT, True),
        (LAST_URGENT, BULK, True),
    ],
)
async def test_each_queue_has_slots_of_its_own(
    engine: AsyncEngine, scheduler: Scheduler, running: int, queued: int, *, is_lost: bool
) -> None:
    await scheduler.seen("w", 1)
    await put(engine, "a", "running", running)
    await put(engine, "b", "queued", queued)
    assert await scheduler.expire() == int(is_lost)
