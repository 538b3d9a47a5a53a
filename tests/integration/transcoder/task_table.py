"""Jobs and tasks in the real tables, and steps that tests of the scheduler share."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.coordinator.deletion_repository import Delays, DeletionRepository
from services.transcoder.projections import JobProjection
from services.transcoder.scheduler.dispatcher import Dispatcher, PickedTask
from services.transcoder.scheduler.leases import ClaimedTask, Leases
from services.transcoder.scheduler.tasks import QueueName
from services.transcoder.tables import jobs, tasks
from shared.contracts import Event, VideoUploaded, uuid7
from shared.event_store.store import Metadata, SequencedEvent


class Scheduler(Dispatcher, Leases):
    """Both sides of the tasks table."""


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


def deletion_list(engine: AsyncEngine, delay: timedelta = timedelta(0)) -> DeletionRepository:
    """The list of deletions, whose entries are due after ``delay``."""
    return DeletionRepository(engine, Delays(deleted=delay, others=delay))


async def add_job(
    engine: AsyncEngine, user: str, count: int, *, priority: int = 2, **values: Any
) -> list[str]:
    """A running job of a user with as many tasks, named ``<user>-<number>``; their names."""
    names = [f"{user}-{number}" for number in range(count)]
    job = {"video_id": f"video of {user}", "user_id": user, "source_key": "k", "size": 1}
    job |= {"attempt": 1, "state": "running", "playable": False}
    task = {"video_id": job["video_id"], "user_id": user, "attempt": 1, "kind": "video"}
    task |= {"spec": {}, "priority": priority, "cost": 1.0, "state": "waiting"} | values
    async with engine.begin() as connection:
        await connection.execute(jobs.insert(), job)
        await connection.execute(tasks.insert(), [task | {"task_id": name} for name in names])
    return names


async def next_task(scheduler: Scheduler, queue: QueueName = "urgent") -> PickedTask:
    (picked,) = await scheduler.pick(queue)
    return picked


async def hold(scheduler: Scheduler, task: PickedTask, worker: str = "w") -> ClaimedTask:
    claimed = await scheduler.claim(task.task_id, task.dispatch, worker, redelivered=False)
    assert claimed is not None
    return claimed


async def work(scheduler: Scheduler, count: int, queue: QueueName = "urgent") -> list[str]:
    """Do tasks one after the other; their names."""
    done: list[str] = []
    for _ in range(count):
        task = await next_task(scheduler, queue)
        done.append(task.task_id)
        await scheduler.finish(await hold(scheduler, task), "w")
    return done


async def age(engine: AsyncEngine, seconds: int, *columns: str) -> None:
    """Let the times of all tasks be as long ago: of all that are kept, or of some columns."""
    changes = [
        f"{column} = {column} - make_interval(secs => :s)"
        for column in columns or ("seen_at", "queued_at")
    ]
    await execute(engine, f"update transcoder.tasks set {', '.join(changes)}", s=seconds)


async def execute(engine: AsyncEngine, statement: str, **values: Any) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(statement), values)


async def task_row(engine: AsyncEngine, task_id: str) -> Any:
    """A task as it is in the table."""
    async with engine.connect() as connection:
        query = text("select * from transcoder.tasks where task_id = :id")
        return (await connection.execute(query, {"id": task_id})).one()
