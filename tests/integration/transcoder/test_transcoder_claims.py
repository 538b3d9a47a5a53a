"""A task is picked and claimed for its own open job; only what waits is put off or taken back."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.scheduler.tasks import SchedulerUnavailable
from shared.database.connect import create_engine
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

# Each makes the job of user a unfit for its task, while the job of user b is fit for its own.
UNFIT = [
    "delete from transcoder.jobs where user_id = 'a'",
    "update transcoder.jobs set attempt = 2 where user_id = 'a'",
    "update transcoder.jobs set state = 'failed' where user_id = 'a'",
]


@pytest.mark.parametrize("change", UNFIT)
async def test_only_tasks_of_an_open_attempt_are_picked(
    engine: AsyncEngine, scheduler: Scheduler, change: str
) -> None:
    await add_job(engine, "a", 1)
    await add_job(engine, "b", 1)
    await execute(engine, change)
    picked = await scheduler.pick("bulk", 3)
    assert [task.task_id for task in picked] == ["b-0"]


@pytest.mark.parametrize("change", UNFIT)
async def test_another_videos_open_job_lets_no_task_be_claimed(
    engine: AsyncEngine, scheduler: Scheduler, change: str
) -> None:
    await add_job(engine, "a", 1)
    task = await next_task(scheduler, "bulk")
    await add_job(engine, "b", 1)
    await execute(engine, change)
    claimed = await scheduler.claim(task.task_id, task.dispatch, "w", redelivered=False)
    assert claimed is None


async def test_a_late_message_of_a_task_that_waits_or_is_done_is_stale(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    waits, done = await add_job(engine, "a", 2)
    for _ in range(2):
        task = await next_task(scheduler, "bulk")
        claimed = await hold(scheduler, task)
        if task.task_id == done:
            await scheduler.finish(claimed, "w")
        else:
            await scheduler.give_back(claimed, "w", delay=60, counts=True)
    await age(engine, 600, "seen_at")
    for task_id in (waits, done):
        assert await scheduler.claim(task_id, 1, "x", redelivered=True) is None
    assert (await task_row(engine, done)).progress == 1


async def test_only_what_was_not_sent_is_taken_back(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    names = await add_job(engine, "a", 4)
    picked = await scheduler.pick("bulk", 4)
    await hold(scheduler, picked[0])
    await scheduler.unsent(picked[:2])
    states = {name: (await task_row(engine, name)).state for name in names}
    assert list(states.values()) == ["running", "waiting", "queued", "queued"]


@pytest.mark.parametrize(("delay", "is_picked"), [(0.0, True), (60.0, False)])
async def test_what_was_not_sent_waits_its_delay(
    engine: AsyncEngine, scheduler: Scheduler, delay: float, *, is_picked: bool
) -> None:
    await add_job(engine, "a", 1)
    await scheduler.unsent(await scheduler.pick("bulk"), delay=delay)
    assert await scheduler.in_demand() == (["bulk"] if is_picked else [])


async def test_a_video_is_put_off_with_the_tasks_of_it_that_wait(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    first, waits, sent = await add_job(engine, "a", 3)
    (other,) = await add_job(engine, "b", 1)
    held = await hold(scheduler, await next_task(scheduler, "bulk"))
    assert held.task_id == first
    await execute(
        engine, "update transcoder.tasks set state = 'queued' where task_id = :id", id=sent
    )

    await scheduler.put_off(held, "w", delay=60)

    assert (await task_row(engine, first)).tries == 0
    assert [task.task_id for task in await scheduler.pick("bulk", 4)] == [other]
    assert (await task_row(engine, sent)).not_before is None
    await age(engine, 61, "not_before")
    again = {task.task_id for task in await scheduler.pick("bulk", 4)}
    assert again == {first, waits}


async def test_uploads_are_claimed_by_their_own_jobs(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    await project(engine, *uploads("a", 2))
    claimed = [await hold(scheduler, task) for task in await scheduler.pick("urgent", 2)]
    assert [(task.video_id, task.task_id) for task in claimed] == [
        ("a-0", "a-0/1/plan"),
        ("a-1", "a-1/1/plan"),
    ]


async def test_a_database_that_is_away_is_said_so() -> None:
    engine = create_engine("postgresql://nobody@127.0.0.1:1/none", size=1)
    try:
        with pytest.raises(SchedulerUnavailable):
            await Scheduler(engine).expire()
        with pytest.raises(SchedulerUnavailable):
            await Scheduler(engine).forget_workers()
    finally:
        await engine.dispose()
