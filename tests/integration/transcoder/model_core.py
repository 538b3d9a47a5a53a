"""The transcoder's core, and what its model does with it step by step.

The tables, the scheduler, the projection, the decider, the coordinator's rounds and the
reconciliation are the real ones. The log and the bucket are in memory, the messages of the broker
are a list, and workers store what ``made_results`` says.
"""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, TypeVar

import msgspec
from hypothesis.stateful import RuleBasedStateMachine
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.coordinator.coordinator import Coordinator
from services.transcoder.coordinator.metrics import CoordinatorMetrics
from services.transcoder.coordinator.reconcile_repository import ReconcileRepository
from services.transcoder.coordinator.reconciling import Reconciliation
from services.transcoder.domain.state import Transcode
from services.transcoder.handlers import record, state_of
from services.transcoder.jobs.jobs import JobRepository
from services.transcoder.projections import JobProjection
from services.transcoder.scheduler.dispatcher import PickedTask
from services.transcoder.scheduler.leases import SILENT_SECONDS
from services.transcoder.scheduler.tasks import MAX_TRIES
from shared.contracts import stream_id
from shared.event_store.store import Metadata, NewEvent
from shared.loops.loops import Loops
from tests.integration.transcoder.made_results import result
from tests.integration.transcoder.model_parts import Crash, Fuse, Log, Messages, Work
from tests.integration.transcoder.task_table import Scheduler, deletion_list
from tests.support.memory_blobs import MemoryBlobs

T = TypeVar("T")

WORKERS = ("w0", "w1")
# Longer than players may use what has been replaced, and than orphans are kept.
LONG = 9_000.0
# How long objects are listed before they are deleted.
DELAY = timedelta(seconds=90)
_TIMES = {
    "tasks": ("seen_at", "queued_at", "not_before"),
    "jobs": ("clean_at", "compact_at", "drop_at"),
    "workers": ("seen_at",),
    "deletions": ("due_at",),
}


class Core(RuleBasedStateMachine):
    """The parts of one run; the rules are those of the model."""

    runner: asyncio.Runner
    engine: AsyncEngine

    def __init__(self) -> None:
        super().__init__()
        self.fuse = Fuse()
        self.log = Log(self.fuse)
        self.media = MemoryBlobs(self.fuse.burn)
        self.messages = Messages(self.fuse)
        self.scheduler = Scheduler(self.engine)
        self.coordinator = self.new_coordinator()
        self.reconciliation = Reconciliation(
            ReconcileRepository(self.engine),
            self.log,
            self.media,
            deletion_list(self.engine, DELAY),
            timedelta(hours=1),
            settle_seconds=0.0,
        )
        self.videos: list[str] = []
        self.deleted: set[str] = set()
        self.applied = 0
        self.work: list[Work] = []
        # What storage lost or damaged, until it is made again.
        self.harmed: dict[str, int | None] = {}
        self.run(self.clear_tables())

    def new_coordinator(self) -> Coordinator:
        registry = CollectorRegistry()
        return Coordinator(
            JobRepository(self.engine),
            self.scheduler,
            self.log,
            self.media,
            deletion_list(self.engine, DELAY),
            metrics=CoordinatorMetrics(self.engine, registry),
            loops=Loops(registry),
        )

    def run(self, step: Awaitable[T]) -> T:
        return self.runner.run(_awaited(step))

    def in_process(self, step: Awaitable[T], crash: int | None) -> T | None:
        """Run a step of a process that ends at the ``crash``-th write; then a new one begins."""
        self.fuse.left = crash
        try:
            return self.run(step)
        except Crash:
            self.coordinator = self.new_coordinator()
            return None
        finally:
            self.fuse.left = None

    async def clear_tables(self) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(
                text(
                    "truncate transcoder.jobs, transcoder.tasks, transcoder.shares,"
                    " transcoder.clock, transcoder.workers, transcoder.deletions"
                )
            )

    async def append(self, category: Any, video_id: str, event: Any) -> None:
        await self.log.append(stream_id(category, video_id), 0, [NewEvent(event)], Metadata())

    async def apply(self, most: int) -> None:
        events = await self.log.read_all(self.applied, most)
        if events:
            async with self.engine.begin() as connection:
                await JobProjection().apply(connection, events)
                self.fuse.burn()
            self.applied += len(events)

    async def claim(self, message: PickedTask, worker: str, *, redelivered: bool) -> None:
        task = await self.scheduler.claim(
            message.task_id, message.dispatch, worker, redelivered=redelivered
        )
        if task is None:
            return
        others = [w for w in self.work if w.task.task_id == task.task_id and w.fresh]
        assert not others, f"{task.task_id} is held twice"
        self.work.append(Work(task, worker))
        # The broker may deliver a message again at any moment, to anybody.
        for other in WORKERS:
            twice = await self.scheduler.claim(
                message.task_id, message.dispatch, other, redelivered=True
            )
            assert twice is None, f"{task.task_id} was taken from a worker that holds it"

    async def finish(self, work: Work) -> None:
        objects, event = result(work.task)
        for key, size in objects.items():
            await self.media.put(key, bytes(size), "")
            self.harmed.pop(key, None)
        await record(self.log, work.task.video_id, event, None)
        work.told = True
        self.fuse.burn()
        await self.scheduler.finish(work.task, work.worker)
        self.work.remove(work)

    async def exhaust(self, index: int) -> None:
        async with self.engine.begin() as connection:
            found = await connection.execute(
                text("select task_id from transcoder.tasks where state = 'waiting' order by 1")
            )
            waiting = list(found.scalars())
            if waiting:
                await connection.execute(
                    text("update transcoder.tasks set tries = :tries where task_id = :task_id"),
                    {"tries": MAX_TRIES, "task_id": waiting[index % len(waiting)]},
                )

    async def work_on(self) -> None:
        await self.apply(10_000)
        for worker in WORKERS:
            await self.scheduler.seen(worker, 4)
        await self.coordinator._dispatch_round(self.messages)
        while self.messages.held:
            await self.claim(self.messages.held.pop(), WORKERS[0], redelivered=False)
        # The coordinator goes on while they work.
        await self.coordinator._keep_house()
        await self.check_leases()
        for work in list(self.work):
            await self.finish(work)
        await self.apply(10_000)
        await self.coordinator._publish_round()
        await self.coordinator._keep_house()

    async def pass_time(self, seconds: float) -> None:
        self.media.advance(seconds)
        if seconds >= LONG:
            # No worker is silent for hours and then reports.
            self.work.clear()
        if seconds > SILENT_SECONDS:
            self.work = [msgspec.structs.replace(work, fresh=False) for work in self.work]
        async with self.engine.begin() as connection:
            for table, columns in _TIMES.items():
                changes = ", ".join(f"{c} = {c} - make_interval(secs => :s)" for c in columns)
                await connection.execute(
                    text(f"update transcoder.{table} set {changes}"), {"s": seconds}
                )

    def alive(self) -> list[str]:
        return [video_id for video_id in self.videos if video_id not in self.deleted]

    def state(self, video_id: str) -> Transcode:
        return self.run(state_of(self.log, video_id))

    async def check_leases(self) -> None:
        held = [work for work in self.work if work.fresh and not work.told]
        lost = await self.lost([work.task.task_id for work in held]) if held else None
        assert not lost, f"{sorted(lost)} were taken from workers that hold them"

    async def lost(self, task_ids: list[str]) -> set[str]:
        """Those of these tasks, of attempts that go on, that nobody has according to the table."""
        async with self.engine.connect() as connection:
            found = await connection.execute(
                text(
                    "select task_id from transcoder.tasks join transcoder.jobs"
                    " using (video_id, attempt) where task_id = any(:ids)"
                    " and transcoder.jobs.state in ('pending', 'running')"
                    " and transcoder.tasks.state in ('waiting', 'queued')"
                ),
                {"ids": task_ids},
            )
            return set(found.scalars())


async def _awaited(step: Awaitable[T]) -> T:
    return await step
