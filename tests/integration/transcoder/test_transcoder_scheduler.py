"""Fair order across users, in the real table."""

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.scheduler.tasks import MAX_TRIES
from shared.contracts import VideoUploaded
from tests.integration.transcoder.task_table import (
    Scheduler,
    add_job,
    execute,
    hold,
    project,
    uploads,
    work,
)
from tests.unit.transcoder.facts_about import chunk_encoded, plan


def turns(taken: list[str], user: str) -> list[bool]:
    """Which of the tasks taken were a user's."""
    return [name.startswith(user) for name in taken]


def are_taken_in_turns(taken: list[str]) -> bool:
    """Whether of any tasks at the beginning half were one user's, give or take one."""
    first = taken[0].partition("-")[0]
    mine = turns(taken, first)
    return all(abs(2 * sum(mine[:end]) - end) <= 2 for end in range(1, len(mine) + 1))


async def test_a_hundred_uploads_of_one_do_not_delay_anothers_one(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    await project(engine, *uploads("busy", 100))
    await work(scheduler, 10)
    await project(engine, *uploads("lone", 1))
    taken = await work(scheduler, 3)
    assert "lone-0/1/plan" in taken[:2]
    assert taken[2].startswith("busy")


async def test_two_busy_users_take_turns(engine: AsyncEngine, scheduler: Scheduler) -> None:
    await project(engine, *uploads("a", 20), *uploads("b", 20))
    assert are_taken_in_turns(await work(scheduler, 20))


async def test_a_user_who_comes_later_takes_turns_at_once(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    """Having used nothing so far earns no credit: the newcomer does not go first twenty times."""
    # The other queue's clock stands at its beginning, and does not count.
    await add_job(engine, "urgent", 1, priority=0)
    await work(scheduler, 1, "urgent")
    await add_job(engine, "a", 30)
    await work(scheduler, 20, "bulk")
    await add_job(engine, "b", 20)
    assert are_taken_in_turns(await work(scheduler, 12, "bulk"))


async def test_urgent_work_is_no_debt_in_the_other_queue(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    await project(engine, *uploads("a", 20))
    await work(scheduler, 20, "urgent")
    await add_job(engine, "a", 10)
    await add_job(engine, "b", 10)
    taken = await work(scheduler, 10, "bulk")
    assert taken[0].startswith("a")
    assert are_taken_in_turns(taken)


async def test_a_dear_task_counts_as_much_as_many_cheap_ones(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    await add_job(engine, "dear", 4, cost=4.0)
    await add_job(engine, "cheap", 12)
    taken = await work(scheduler, 10, "bulk")
    assert turns(taken, "dear").count(True) == 2


async def test_a_users_own_tasks_go_by_priority_and_then_by_age(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    names = await add_job(engine, "a", 4)
    await execute(engine, "update transcoder.tasks set priority = 3 where task_id = 'a-1'")
    assert await work(scheduler, 4, "bulk") == [names[0], names[2], names[3], names[1]]


async def test_a_users_videos_become_complete_one_after_the_other(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    await project(engine, *uploads("a", 3))
    plans = [
        msgspec.structs.replace(plan(4.0), video_id=f"a-{number}", user_id="a")
        for number in range(3)
    ]
    await project(engine, *plans)
    # Picture, sound and images of each.
    taken = await work(scheduler, 9)
    videos = [name.partition("/")[0] for name in taken]
    assert videos == ["a-0"] * 3 + ["a-1"] * 3 + ["a-2"] * 3


async def test_extra_codecs_wait_for_the_users_other_videos(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    extra = await add_job(engine, "a", 2, priority=3)
    newer = await add_job(engine, "b", 2, priority=2)
    await execute(engine, "update transcoder.tasks set user_id = 'a'")
    assert await work(scheduler, 4, "bulk") == [*newer, *extra]


async def test_no_more_is_sent_than_workers_can_take(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    await project(engine, *uploads("a", 20))
    assert len(await scheduler.pick("urgent")) == 1
    assert await scheduler.pick("urgent") == []
    await scheduler.seen("w1", 2)
    await scheduler.seen("w2", 3)
    assert len(await scheduler.pick("urgent")) == 5
    assert await scheduler.pick("bulk") == []
    # A worker may come back with other slots; it counts once.
    await scheduler.seen("w2", 4)
    assert len(await scheduler.pick("urgent")) == 1


async def test_each_queue_has_its_own_room(engine: AsyncEngine, scheduler: Scheduler) -> None:
    await add_job(engine, "now", 4, priority=1)
    await add_job(engine, "later", 4, priority=2)
    await scheduler.seen("w", 1)
    urgent = await scheduler.pick("urgent")
    assert [task.task_id for task in urgent] == ["now-0", "now-1"]
    bulk = await scheduler.pick("bulk")
    assert [task.task_id for task in bulk] == ["later-0", "later-1"]
    # What is done takes no room any more.
    await scheduler.finish(await hold(scheduler, urgent[0]), "w")
    assert [task.task_id for task in await scheduler.pick("urgent")] == ["now-2"]
    assert await scheduler.pick("bulk") == []


async def test_queues_are_in_demand_while_a_task_may_be_sent(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    assert await scheduler.in_demand() == []
    await add_job(engine, "later", 1, priority=2)
    assert await scheduler.in_demand() == ["bulk"]
    await add_job(engine, "now", 1, priority=1)
    assert await scheduler.in_demand() == ["urgent", "bulk"]
    put_off = "update transcoder.tasks set not_before = now() + make_interval(secs => :secs)"
    await execute(engine, put_off, secs=60.0)
    assert await scheduler.in_demand() == []
    await execute(engine, put_off, secs=-1.0)
    assert await scheduler.in_demand() == ["urgent", "bulk"]
    # A task that was tried too often fails its video instead.
    too_often = "update transcoder.tasks set tries = :tries where priority = 1"
    await execute(engine, too_often, tries=MAX_TRIES - 1)
    assert await scheduler.in_demand() == ["urgent", "bulk"]
    await execute(engine, too_often, tries=MAX_TRIES)
    assert await scheduler.in_demand() == ["bulk"]
    await scheduler.pick("bulk")
    assert await scheduler.in_demand() == []


async def test_only_workers_that_show_themselves_are_given_tasks(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    await project(engine, *uploads("a", 20))
    await scheduler.seen("silent", 4)
    await execute(engine, "update transcoder.workers set seen_at = now() - interval '11 s'")
    await scheduler.seen("gone", 4)
    await scheduler.seen("here", 2)
    await scheduler.gone("gone")
    assert len(await scheduler.pick("urgent")) == 3


async def test_workers_are_forgotten_after_an_hour(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    for worker in ("old", "young"):
        await scheduler.seen(worker, 1)
    await execute(
        engine,
        "update transcoder.workers set seen_at = now() - case worker when 'old'"
        " then interval '61 min' else interval '59 min' end",
    )
    await scheduler.forget_workers()
    async with engine.connect() as connection:
        left = await connection.execute(text("select worker from transcoder.workers"))
        assert list(left.scalars()) == ["young"]


async def test_a_picked_task_carries_the_trace_of_its_own_upload(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    for user in ("a", "b"):
        await add_job(engine, user, 1, priority=0)
        await execute(
            engine, "update transcoder.jobs set traceparent = user_id where user_id = :u", u=user
        )
    picked = [*await scheduler.pick("urgent", 1), *await scheduler.pick("urgent", 2)]
    assert [(each.task_id, each.traceparent, each.dispatch) for each in picked] == [
        ("a-0", "a", 1),
        ("b-0", "b", 1),
    ]


async def test_projecting_twice_changes_nothing(engine: AsyncEngine, scheduler: Scheduler) -> None:
    upload = VideoUploaded(
        video_id="v",
        user_id="u",
        title="t",
        description="",
        filename="f",
        content_type="video/mp4",
        size=1,
        source_key="k",
    )
    planned = plan()
    events = [upload, planned, chunk_encoded(planned, 0, "240p")]
    await project(engine, *events)
    async with engine.connect() as connection:
        query = text("select task_id, state, priority, kind from transcoder.tasks order by 1")
        once = (await connection.execute(query)).all()
        await connection.rollback()
        await project(engine, *events)
        assert (await connection.execute(query)).all() == once
    states = {row.task_id.removeprefix("v/1/"): row.state for row in once}
    assert states["plan"] == states["chunk-00000-240p"] == "done"
    assert states["chunk-00000-360p"] == states["audio-0"] == states["images"] == "waiting"
    progress = await scheduler.progress()
    assert 0 < progress[0].percent < 100
