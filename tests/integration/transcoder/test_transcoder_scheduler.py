"""Fair order and leases, in the real table."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.projections import JobProjection
from services.transcoder.scheduler import MAX_TRIES, ClaimedTask, PickedTask, Scheduler
from shared.contracts import Event, VideoUploaded, uuid7
from shared.database.connect import create_engine
from shared.event_store.store import Metadata, SequencedEvent
from tests.support.databases import Database
from tests.unit.transcoder.facts_about import chunk_encoded, plan


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[AsyncEngine]:
    made = create_engine(database.url("transcoder"), size=4)
    yield made
    await made.dispose()


@pytest.fixture
def scheduler(engine: AsyncEngine) -> Scheduler:
    return Scheduler(engine)


async def project(engine: AsyncEngine, *events: Event) -> None:
    recorded = [
        SequencedEvent(
            position=1,
            stream_id="upload-x",
            version=1,
            type=type(event).__name__,
            data=event,
            event_id=uuid7(),
            metadata=Metadata(),
            recorded_at=datetime.now(UTC),
        )
        for event in events
    ]
    async with engine.begin() as connection:
        await JobProjection().apply(connection, recorded)


def uploads(user: str, count: int) -> Sequence[VideoUploaded]:
    return [
        VideoUploaded(
            video_id=f"{user}-{number}",
            user_id=user,
            title="t",
            description="",
            filename="f",
            content_type="video/mp4",
            size=1,
            source_key="k",
        )
        for number in range(count)
    ]


async def next_task(scheduler: Scheduler) -> PickedTask:
    (picked,) = await scheduler.pick("urgent")
    return picked


async def hold(scheduler: Scheduler, task: PickedTask, worker: str = "w") -> ClaimedTask:
    claimed = await scheduler.claim(task.task_id, task.dispatch, worker, redelivered=False)
    assert claimed is not None
    return claimed


async def test_a_hundred_uploads_of_one_do_not_delay_anothers_one(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    await project(engine, *uploads("busy", 100))
    for _ in range(10):
        await scheduler.finish(await hold(scheduler, await next_task(scheduler)), "w")
    await project(engine, *uploads("lone", 1))
    order: list[str] = []
    for _ in range(3):
        task = await next_task(scheduler)
        order.append(task.task_id)
        await scheduler.finish(await hold(scheduler, task), "w")
    assert "lone-0/1/plan" in order[:2]
    assert order[2].startswith("busy")


async def test_two_busy_users_take_turns(engine: AsyncEngine, scheduler: Scheduler) -> None:
    await project(engine, *uploads("a", 20), *uploads("b", 20))
    taken: list[str] = []
    for _ in range(20):
        task = await next_task(scheduler)
        taken.append(task.task_id[0])
        await scheduler.finish(await hold(scheduler, task), "w")
    assert taken.count("a") == taken.count("b") == 10


async def test_a_user_who_comes_later_takes_turns_at_once(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    """Having used nothing so far earns no credit: the newcomer does not go first twenty times."""
    await project(engine, *uploads("a", 30))
    for _ in range(20):
        await scheduler.finish(await hold(scheduler, await next_task(scheduler)), "w")
    await project(engine, *uploads("b", 20))
    taken: list[str] = []
    for _ in range(12):
        task = await next_task(scheduler)
        taken.append(task.task_id[0])
        await scheduler.finish(await hold(scheduler, task), "w")
    for turns in range(2, 13, 2):
        assert abs(taken[:turns].count("a") - turns // 2) <= 1


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


async def age(engine: AsyncEngine, seconds: int) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "update transcoder.tasks set seen_at = seen_at - make_interval(secs => :s),"
                " queued_at = queued_at - make_interval(secs => :s)"
            ),
            {"s": seconds},
        )


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


async def state_of(engine: AsyncEngine, task_id: str) -> str:
    async with engine.connect() as connection:
        query = text("select state from transcoder.tasks where task_id = :id")
        return (await connection.execute(query, {"id": task_id})).scalar_one()


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
    assert await state_of(engine, task.task_id) == "running"
    await age(engine, 20)
    assert await scheduler.expire() == 1
    # The same worker again, with another hand-out.
    again = await hold(scheduler, await next_task(scheduler), "x")
    await scheduler.finish(second, "x")
    assert await state_of(engine, task.task_id) == "running"
    await scheduler.finish(again, "x")
    assert await state_of(engine, task.task_id) == "done"


async def test_an_unclaimed_message_is_sent_again(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    await project(engine, *uploads("a", 1))
    await next_task(scheduler)
    assert await scheduler.expire() == 0
    await age(engine, 100)
    assert await scheduler.expire() == 1
    assert (await next_task(scheduler)).dispatch == 2


async def test_tries_are_limited(engine: AsyncEngine, scheduler: Scheduler) -> None:
    await project(engine, *uploads("a", 1))
    for number in range(MAX_TRIES):
        claimed = await hold(scheduler, await next_task(scheduler))
        assert claimed.tries == number + 1
        await scheduler.give_back(claimed, "w", delay=0, counts=True, error="code: Reason.")
    assert await scheduler.pick("urgent") == []
    (exhausted,) = await scheduler.exhausted()
    assert exhausted.last_error == "code: Reason."


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
