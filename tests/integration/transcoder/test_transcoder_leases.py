"""Leases: who holds a task, when it goes to another, and what is given back."""

import pytest
from msgspec.structs import asdict
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.scheduler.leases import wait_before
from services.transcoder.scheduler.tasks import MAX_TRIES, URGENT_PRIORITY, TaskError
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

ERROR = TaskError("code", "Reason.", "the tail of stderr")


async def test_a_lease_is_held_by_one(engine: AsyncEngine, scheduler: Scheduler) -> None:
    await project(engine, *uploads("a", 1))
    task = await next_task(scheduler)
    claimed = await hold(scheduler, task)
    for redelivered in (False, True):
        again = await scheduler.claim(task.task_id, task.dispatch, "x", redelivered=redelivered)
        assert again is None
    assert await scheduler.is_running(task.task_id, task.dispatch)
    assert await scheduler.beat(claimed, "w", 0.5, 2.0)
    assert not await scheduler.beat(claimed, "x", 0.5, 2.0)


async def test_a_silent_workers_task_goes_to_another(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    await project(engine, *uploads("a", 1))
    task = await next_task(scheduler)
    claimed = await hold(scheduler, task)
    await age(engine, 5)
    taken = await scheduler.claim(task.task_id, task.dispatch, "x", redelivered=True)
    assert taken is not None
    assert taken.tries == 2
    assert not await scheduler.beat(claimed, "w", 0.5, None)
    await age(engine, 20)
    assert await scheduler.expire() == 1
    fresh = await next_task(scheduler)
    assert fresh.dispatch == 2
    assert await scheduler.claim(task.task_id, 1, "x", redelivered=True) is None


async def test_a_clock_that_is_set_back_holds_no_task(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    """As after a power loss, on a machine whose clock does not outlive it."""
    day = -86400
    await project(engine, *uploads("a", 1))
    await hold(scheduler, await next_task(scheduler))
    await age(engine, day)
    assert await scheduler.expire() == 1, "a task of a worker that is gone"

    await next_task(scheduler)
    await age(engine, day)
    assert await scheduler.expire() == 1, "a task whose message is gone"

    task = await next_task(scheduler)
    claimed = await hold(scheduler, task)
    await age(engine, day)
    taken = await scheduler.claim(task.task_id, task.dispatch, "x", redelivered=True)
    assert taken is not None
    assert not await scheduler.beat(claimed, "w", 0.5, None)

    await scheduler.give_back(taken, "x", delay=30, counts=False)
    assert await scheduler.in_demand() == []
    await age(engine, day, "not_before")
    assert await scheduler.in_demand() == ["urgent"]
    await next_task(scheduler)


async def test_a_worker_that_lost_a_task_cannot_finish_it(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    await project(engine, *uploads("a", 1))
    task = await next_task(scheduler)
    first = await hold(scheduler, task, "w")
    await age(engine, 5)
    second = await scheduler.claim(task.task_id, task.dispatch, "x", redelivered=True)
    assert second is not None
    await scheduler.finish(first, "w")
    assert (await task_row(engine, task.task_id)).state == "running"
    await age(engine, 20)
    assert await scheduler.expire() == 1
    # The same worker again, with another hand-out.
    again = await hold(scheduler, await next_task(scheduler), "x")
    await scheduler.finish(second, "x")
    assert (await task_row(engine, task.task_id)).state == "running"
    await scheduler.finish(again, "x")
    assert (await task_row(engine, task.task_id)).state == "done"


async def test_tries_are_limited(engine: AsyncEngine, scheduler: Scheduler) -> None:
    await project(engine, *uploads("a", 1))
    for number in range(MAX_TRIES):
        claimed = await hold(scheduler, await next_task(scheduler))
        assert claimed.tries == number + 1
        await scheduler.give_back(claimed, "w", delay=0, counts=True, error=ERROR)
    assert await scheduler.pick("urgent") == []
    (exhausted,) = await scheduler.exhausted()
    assert exhausted.error == ERROR


async def test_giving_back_without_fault_does_not_count(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    await project(engine, *uploads("a", 1))
    for _ in range(MAX_TRIES + 2):
        claimed = await hold(scheduler, await next_task(scheduler))
        await scheduler.give_back(claimed, "w", delay=0, counts=False)
    assert await scheduler.exhausted() == []
    claimed = await hold(scheduler, await next_task(scheduler))
    await scheduler.give_back(claimed, "w", delay=60, counts=False)
    assert await scheduler.pick("urgent") == []


async def test_a_lease_holds_as_long_as_its_worker_shows_itself(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    await project(engine, *uploads("a", 1))
    task = await next_task(scheduler)
    claimed = await hold(scheduler, task)
    # Its message was sent long ago, which no longer matters.
    await age(engine, 100, "queued_at")
    assert await scheduler.expire() == 0
    await age(engine, 14)
    assert await scheduler.expire() == 0
    assert await scheduler.beat(claimed, "w", 0.1, None)
    await age(engine, 14)
    assert await scheduler.expire() == 0
    await age(engine, 2)
    assert await scheduler.expire() == 1
    assert not await scheduler.is_running(task.task_id, task.dispatch)
    assert not await scheduler.beat(claimed, "w", 0.1, None)


async def test_what_is_done_or_waits_does_not_expire(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    await project(engine, *uploads("a", 2))
    first = await next_task(scheduler)
    await scheduler.finish(await hold(scheduler, first), "w")
    claimed = await hold(scheduler, await next_task(scheduler))
    await scheduler.give_back(claimed, "w", delay=0, counts=True)
    await age(engine, 1000)
    assert await scheduler.expire() == 0
    assert (await task_row(engine, first.task_id)).state == "done"


async def test_a_message_that_came_twice_is_taken_once(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    """Only a redelivered message, and only after a silence, takes a task from its worker."""
    await project(engine, *uploads("a", 1))
    task = await next_task(scheduler)
    await hold(scheduler, task)
    await age(engine, 2)
    assert await scheduler.claim(task.task_id, task.dispatch, "x", redelivered=True) is None
    await age(engine, 2)
    assert await scheduler.claim(task.task_id, task.dispatch, "x", redelivered=False) is None
    assert await scheduler.claim(task.task_id, task.dispatch, "x", redelivered=True)


async def test_only_the_handed_out_task_is_claimed(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    await project(engine, *uploads("a", 2), *uploads("b", 1))
    task = await next_task(scheduler)
    for stale in (task.dispatch - 1, task.dispatch + 1):
        assert await scheduler.claim(task.task_id, stale, "w", redelivered=False) is None
    claimed = await hold(scheduler, task)
    assert (claimed.task_id, claimed.video_id, claimed.user_id) == (task.task_id, "a-0", "a")
    for other in ("a-1/1/plan", "b-0/1/plan"):
        assert (await task_row(engine, other)).state == "waiting"
    await scheduler.finish(claimed, "w")
    for redelivered in (False, True):
        again = await scheduler.claim(task.task_id, task.dispatch, "w", redelivered=redelivered)
        assert again is None


@pytest.mark.parametrize("change", ["state = 'cancelled'", "attempt = 2"])
async def test_a_task_of_an_attempt_that_is_over_is_not_claimed(
    engine: AsyncEngine, scheduler: Scheduler, change: str
) -> None:
    await add_job(engine, "a", 1)
    task = await next_task(scheduler, "bulk")
    await execute(engine, f"update transcoder.jobs set {change}")
    assert await scheduler.claim(task.task_id, task.dispatch, "w", redelivered=False) is None


async def test_a_claimed_task_begins_from_nothing(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    await add_job(engine, "a", 1)
    claimed = await hold(scheduler, await next_task(scheduler, "bulk"))
    await scheduler.beat(claimed, "w", 0.75, 3.0)
    await age(engine, 20)
    await scheduler.expire()
    again = await hold(scheduler, await next_task(scheduler, "bulk"))
    row = await task_row(engine, again.task_id)
    assert (row.progress, row.speed, row.tries, again.tries) == (0, None, 2, 2)


async def test_a_beat_counts_for_one_hand_out_of_one_task(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    await add_job(engine, "a", 2)
    await scheduler.seen("w", 1)
    first, second = [await hold(scheduler, task) for task in await scheduler.pick("bulk")]
    await age(engine, 20)
    assert await scheduler.beat(first, "w", 0.5, 2.0)
    assert await scheduler.expire() == 1
    row = await task_row(engine, first.task_id)
    assert (row.state, row.progress, row.speed) == ("running", 0.5, 2.0)
    # The other one is handed out to the same worker again.
    again = await hold(scheduler, await next_task(scheduler, "bulk"))
    assert again.task_id == second.task_id
    assert not await scheduler.beat(second, "w", 0.9, None)
    assert await scheduler.beat(again, "w", 0.2, None)
    assert (await task_row(engine, second.task_id)).progress == 0.2
    await scheduler.finish(again, "w")
    assert not await scheduler.beat(again, "w", 0.3, None)


async def test_progress_of_a_task_only_grows(engine: AsyncEngine, scheduler: Scheduler) -> None:
    await add_job(engine, "a", 1)
    claimed = await hold(scheduler, await next_task(scheduler, "bulk"))
    for told in (0.5, 0.25):
        await scheduler.beat(claimed, "w", told, None)
    assert (await task_row(engine, claimed.task_id)).progress == 0.5


async def test_a_hand_out_is_running_from_its_claim_to_its_end(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    await add_job(engine, "a", 2)
    task = await next_task(scheduler, "bulk")
    assert not await scheduler.is_running(task.task_id, task.dispatch)
    claimed = await hold(scheduler, task)
    assert await scheduler.is_running(task.task_id, task.dispatch)
    assert not await scheduler.is_running(task.task_id, task.dispatch + 1)
    assert not await scheduler.is_running("a-1", task.dispatch)
    await scheduler.finish(claimed, "w")
    assert not await scheduler.is_running(task.task_id, task.dispatch)


async def test_finishing_one_task_leaves_the_worker_its_others(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    await add_job(engine, "a", 2)
    await scheduler.seen("w", 1)
    first, second = [await hold(scheduler, task) for task in await scheduler.pick("bulk")]
    await scheduler.finish(first, "w")
    assert (await task_row(engine, second.task_id)).state == "running"


async def test_only_the_holder_gives_back_and_only_what_it_holds(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    await add_job(engine, "a", 2)
    await scheduler.seen("w", 1)
    first, second = [await hold(scheduler, task) for task in await scheduler.pick("bulk")]
    await scheduler.give_back(first, "x", delay=0, counts=True)
    assert (await task_row(engine, first.task_id)).state == "running"
    await scheduler.give_back(first, "w", delay=0, counts=True, error=ERROR)
    assert (await task_row(engine, second.task_id)).state == "running"
    again = await hold(scheduler, await next_task(scheduler, "bulk"))
    assert again.task_id == first.task_id
    # Late, for a hand-out of before.
    await scheduler.give_back(first, "w", delay=0, counts=False, error=TaskError("late", "Late."))
    row = await task_row(engine, first.task_id)
    assert (row.state, row.error, row.tries) == ("running", asdict(ERROR), 2)
    await scheduler.give_back(again, "w", delay=0, counts=False)
    row = await task_row(engine, first.task_id)
    assert (row.state, row.error, row.tries) == ("waiting", asdict(ERROR), 1)
    await scheduler.finish(second, "w")
    await scheduler.give_back(second, "w", delay=0, counts=True)
    assert (await task_row(engine, second.task_id)).state == "done"


async def test_a_task_waits_its_delay(engine: AsyncEngine, scheduler: Scheduler) -> None:
    await add_job(engine, "a", 1)
    claimed = await hold(scheduler, await next_task(scheduler, "bulk"))
    await scheduler.give_back(claimed, "w", delay=600, counts=False)
    await age(engine, 500, "not_before")
    assert await scheduler.pick("bulk") == []
    await age(engine, 101, "not_before")
    again = await hold(scheduler, await next_task(scheduler, "bulk"))
    assert again.tries == 1


async def test_exhausted_tasks_are_told_a_page_at_a_time_and_only_while_they_wait(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    await add_job(engine, "a", 25)
    task = await next_task(scheduler, "bulk")
    await execute(engine, f"update transcoder.tasks set tries = {MAX_TRIES}")
    told = await scheduler.exhausted()
    assert len(told) == 20
    assert task.task_id not in {each.task_id for each in told}
    assert await scheduler.exhausted(without=[told[0].video_id]) == []
    assert len(await scheduler.exhausted(without=["another"])) == 20
    await execute(engine, f"update transcoder.tasks set tries = {MAX_TRIES - 1}")
    assert await scheduler.exhausted() == []
    done = f"update transcoder.tasks set tries = {MAX_TRIES}, state = 'done'"
    await execute(engine, f"{done} where state = 'waiting'")
    assert await scheduler.exhausted() == []


async def test_how_far_a_video_is(engine: AsyncEngine, scheduler: Scheduler) -> None:
    """Percent of the planned cost, planning aside; speed and worker of what runs now."""
    names = await add_job(engine, "a", 5)
    cost = "update transcoder.tasks set cost = :c, kind = :k where task_id = :t"
    for name, kind, amount in zip(
        names, ("video", "video", "audio", "video", "plan"), (2, 2, 2, 4, 90), strict=True
    ):
        await execute(engine, cost, t=name, k=kind, c=amount)
    await execute(engine, "update transcoder.tasks set priority = 0 where kind = 'plan'")
    await scheduler.seen("w", 2)
    held = [await hold(scheduler, task, "w") for task in await scheduler.pick("bulk")]
    by_name = {task.task_id: task for task in held}
    await scheduler.beat(by_name["a-0"], "w", 1.0, 8.0)
    await scheduler.finish(by_name["a-0"], "w")
    await scheduler.beat(by_name["a-1"], "w", 0.5, 2.0)
    await scheduler.beat(by_name["a-2"], "w", 0.0, 64.0)
    await add_job(engine, "other", 1)
    await execute(engine, "update transcoder.jobs set state = 'completed' where user_id = 'other'")
    # Its worker has not heard yet that the video is over.
    await execute(engine, "update transcoder.tasks set state = 'running' where user_id = 'other'")
    (progress,) = await scheduler.progress()
    assert progress.video_id == "video of a"
    assert progress.percent == pytest.approx(100 * (2 + 1) / 10)
    assert (progress.speed, progress.worker) == (2.0, "w")
    await scheduler.finish(by_name["a-1"], "w")
    await scheduler.finish(by_name["a-2"], "w")
    (progress,) = await scheduler.progress()
    assert progress.percent == pytest.approx(60)
    assert (progress.speed, progress.worker) == (None, None)


def test_the_wait_before_another_try_grows() -> None:
    assert [wait_before(tries) for tries in range(5)] == [1.0, 1.0, 4.0, 16.0, 64.0]


async def test_a_plan_that_takes_long_is_a_quarter_of_the_way_at_most(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    """It decodes the whole source, and what follows is not known yet; a quick plan is no way."""
    for user, priority in (("long", URGENT_PRIORITY + 1), ("quick", URGENT_PRIORITY)):
        await add_job(engine, user, 1, kind="plan", priority=priority, cost=7.0)
    await execute(engine, "update transcoder.jobs set state = 'pending'")
    assert await scheduler.progress() == []
    (quick,) = await scheduler.pick("urgent")
    (long,) = await scheduler.pick("bulk")
    await scheduler.beat(await hold(scheduler, quick), "w", 0.5, None)
    await scheduler.beat(await hold(scheduler, long), "w", 0.5, None)
    (progress,) = await scheduler.progress()
    assert progress.video_id == "video of long"
    assert progress.preparing
    assert progress.percent == pytest.approx(50 / 4)
