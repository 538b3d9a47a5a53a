"""Sending tasks over a broker that goes away: none waits longer than the broker does."""

import asyncio
from typing import cast

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.coordinator.coordinator import Coordinator
from services.transcoder.coordinator.metrics import CoordinatorMetrics
from services.transcoder.jobs.jobs import JobRepository
from services.transcoder.scheduler.dispatcher import PickedTask
from services.transcoder.scheduler.tasks import QueueName
from shared.blobs.store import BlobStore
from shared.event_store.memory import MemoryEventStore
from shared.loops.cancellation import end
from shared.loops.loops import Loops
from tests.integration.transcoder.task_table import (
    Scheduler,
    add_job,
    deletion_list,
    hold,
    next_task,
    task_row,
)
from tests.support.wait import eventually


class Queue:
    """Takes messages until ``away`` is set; then it refuses them, or does not answer."""

    def __init__(self, *, silent: bool) -> None:
        self.sent: list[PickedTask] = []
        self.away = False
        self.waiting = asyncio.Event()
        self._silent = silent

    async def send(self, queue: QueueName, task: PickedTask) -> None:
        if self.away:
            self.waiting.set()
            if self._silent:
                await asyncio.Event().wait()
            raise ConnectionError("the broker is away")
        self.sent.append(task)
        self.away = True


def coordinator(engine: AsyncEngine, scheduler: Scheduler) -> Coordinator:
    registry = CollectorRegistry()
    return Coordinator(
        JobRepository(engine),
        scheduler,
        MemoryEventStore(),
        cast(BlobStore, None),
        deletion_list(engine),
        metrics=CoordinatorMetrics(engine, registry),
        loops=Loops(registry),
    )


@pytest.mark.parametrize("silent", [False, True], ids=["refuses", "is silent"])
async def test_tasks_that_are_not_sent_are_picked_again_at_once(
    engine: AsyncEngine, scheduler: Scheduler, silent: bool
) -> None:
    names = await add_job(engine, "a", 3)
    await scheduler.seen("w", 3)
    queue = Queue(silent=silent)
    dispatching = asyncio.create_task(coordinator(engine, scheduler).dispatch(queue))
    await eventually(queue.waiting.is_set, 20)
    if silent:
        # As where the connection is found to be lost.
        await end((dispatching,))

    async def taken_back() -> bool:
        states = [(await task_row(engine, name)).state for name in names]
        return states == ["queued", "waiting", "waiting"]

    await eventually(taken_back, 20)
    await end((dispatching,))


async def test_a_task_that_a_worker_has_is_not_taken_back(
    engine: AsyncEngine, scheduler: Scheduler
) -> None:
    await add_job(engine, "a", 1)
    first = await next_task(scheduler, "bulk")
    claimed = await hold(scheduler, first)
    await scheduler.unsent([first])
    assert (await task_row(engine, first.task_id)).state == "running"
    await scheduler.give_back(claimed, "w", delay=0, counts=False)
    second = await next_task(scheduler, "bulk")
    # Of an earlier dispatch.
    await scheduler.unsent([first])
    assert (await task_row(engine, second.task_id)).state == "queued"
