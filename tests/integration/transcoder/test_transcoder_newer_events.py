"""Events of a newer version in one video's stream: its tasks wait uncounted, all others go on."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder import handlers
from services.transcoder.coordinator.metrics import CoordinatorMetrics
from services.transcoder.coordinator.reconcile_repository import ReconcileRepository
from services.transcoder.coordinator.reconciling import Reconciliation
from services.transcoder.coordinator.scrub_repository import ScrubRepository
from services.transcoder.coordinator.scrubbing import Scrubber
from services.transcoder.domain.decisions import NotRetryable
from services.transcoder.encoding.scratch import open_scratch
from services.transcoder.http import operator_job_routes
from services.transcoder.jobs.jobs import JobRepository
from services.transcoder.worker import worker as worker_module
from services.transcoder.worker.context import TaskContext, WorkerContext
from services.transcoder.worker.metrics import WorkerMetrics
from services.transcoder.worker.worker import Worker
from shared.contracts import Event, TranscodeFailed
from shared.event_store.memory import MemoryEventStore
from shared.event_store.store import Metadata, NewEvent, Unreadable, UnreadableStream
from shared.http.app import create_app
from shared.settings import Key
from tests.integration.transcoder.task_table import (
    Scheduler,
    deletion_list,
    project,
    task_row,
    uploads,
)

NEWER = Unreadable(reason="UnknownEventType: TranscodeReviewed")


class EmptyBucket:
    """A bucket without objects."""

    async def list(self, *, after: str) -> AsyncIterator[Any]:
        return
        yield


class Bench:
    """A worker whose performer is ``perform``, over real tables and a log in memory."""

    def __init__(self, engine: AsyncEngine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = MemoryEventStore()
        self.scheduler = Scheduler(engine)
        self.performed: list[str] = []
        monkeypatch.setitem(worker_module.PERFORMERS, "plan", self.perform)
        unused: Any = None
        context = WorkerContext("w", unused, sources=unused, media=unused, store=self.store)
        self._scratch = open_scratch(folder, "w", 0)
        self.worker = Worker(
            context,
            self.scheduler,
            self._scratch.__enter__(),
            WorkerMetrics(CollectorRegistry()),
            2,
        )

    async def perform(self, _worker: WorkerContext, context: TaskContext) -> Event:
        self.performed.append(context.task.video_id)
        return TranscodeFailed(
            video_id=context.task.video_id, attempt=1, code="media.rejected", reason="Not a video."
        )

    async def poison(self, video_id: str) -> None:
        stream = f"transcode-{video_id}"
        await self.store.append(stream, 0, [NewEvent(NEWER)], Metadata())

    async def work(self) -> int:
        """Do every task that is due; how many were."""
        count = 0
        while picked := await self.scheduler.pick("urgent"):
            for task in picked:
                await asyncio.wait_for(
                    self.worker.handle(task.task_id, task.dispatch, redelivered=False), 20
                )
                count += 1
        return count


async def let_all_wait_no_longer(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("update transcoder.tasks set not_before = now()"))


async def test_a_task_whose_stream_cannot_be_read_waits_uncounted(
    engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(engine, tmp_path, monkeypatch)
    await project(engine, *uploads("a", 1), *uploads("b", 3))
    await bench.poison("a-0")
    for round_ in range(6):
        # No spinning: one look at the poisoned task, until its time has come again.
        assert await bench.work() == (4 if round_ == 0 else 1)
        task = await task_row(engine, "a-0/1/plan")
        assert (task.state, task.tries) == ("waiting", 0)
        await let_all_wait_no_longer(engine)
    assert bench.performed == ["b-0", "b-1", "b-2"]
    for number in range(3):
        (failed,) = await bench.store.read_stream(f"transcode-b-{number}")
        assert isinstance(failed.data, TranscodeFailed)


async def test_an_event_that_comes_during_the_work_is_no_failure_of_it(
    engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(engine, tmp_path, monkeypatch)

    async def perform(_worker: WorkerContext, context: TaskContext) -> Event:
        await bench.poison(context.task.video_id)
        raise ValueError("a fault of the work itself")

    monkeypatch.setitem(worker_module.PERFORMERS, "plan", perform)
    await project(engine, *uploads("a", 1))
    async with engine.begin() as connection:
        await connection.execute(text("update transcoder.tasks set tries = 3"))
    assert await bench.work() == 1
    task = await task_row(engine, "a-0/1/plan")
    assert (task.state, task.tries) == ("waiting", 3)


async def test_all_tasks_of_the_video_wait_after_one_look(
    engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(engine, tmp_path, monkeypatch)
    await project(engine, *uploads("a", 1))
    await bench.poison("a-0")
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "insert into transcoder.tasks (task_id, video_id, user_id, attempt, kind, spec,"
                " priority, cost, state) select 'a-0/1/' || n, 'a-0', 'a', 1, 'plan', '{}', 1, 1,"
                " 'waiting' from generate_series(1, 50) n"
            )
        )
    assert await bench.work() <= 2


async def test_retry_and_cancel_refuse_a_stream_that_cannot_be_read(
    engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(engine, tmp_path, monkeypatch)
    await bench.poison("a-0")
    for command in (handlers.retry, handlers.cancel):
        with pytest.raises(UnreadableStream) as raised:
            await command(bench.store, "a-0", "a")
        assert raised.value.code == "stream_unreadable"
    assert await bench.store.head() == 1
    with pytest.raises(NotRetryable):
        await handlers.retry(bench.store, "a-1", "a")


async def test_operators_are_told_that_a_stream_cannot_be_read(
    engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(engine, tmp_path, monkeypatch)
    await project(engine, *uploads("a", 1))
    await bench.poison("a-0")
    media: Any = None
    repository = ReconcileRepository(engine)
    reconciliation = Reconciliation(
        repository, bench.store, media, deletion_list(engine), timedelta(hours=1)
    )
    secret = Key("s" * 32)
    metrics = CoordinatorMetrics(engine, CollectorRegistry())
    scrubber = Scrubber(ScrubRepository(engine), bench.store, media, media, metrics.scrub)
    routes = operator_job_routes(
        secret, JobRepository(engine), bench.store, reconciliation, scrubber
    )
    headers = {"authorization": f"Bearer {secret}"}
    transport = httpx.ASGITransport(app=cast(Any, create_app("transcoder", [routes])))
    async with httpx.AsyncClient(transport=transport, base_url="http://transcoder") as client:
        for command in ("retry", "cancel"):
            url = f"/internal/operator/jobs/a-0/{command}"
            answer = await client.post(url, headers=headers)
            assert answer.status_code == 409
            assert answer.json()["error"]["type"] == "stream_unreadable"
            assert "TranscodeReviewed" in answer.json()["error"]["message"]
    assert await bench.store.head() == 1


async def test_a_stream_that_cannot_be_read_keeps_no_other_video_from_its_reconciliation(
    engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(engine, tmp_path, monkeypatch)
    await project(engine, *uploads("a", 40))
    async with engine.begin() as connection:
        await connection.execute(text("delete from transcoder.tasks"))
    await bench.poison("a-7")
    media: Any = EmptyBucket()
    repository = ReconcileRepository(engine)
    rounds = Reconciliation(
        repository, bench.store, media, deletion_list(engine), timedelta(hours=1)
    )
    found = await rounds.round(dry_run=False)
    assert [each.subject for each in found if each.action == "unreadable"] == ["a-7"]
    assert len([each for each in found if each.action == "recreate"]) == 39
    assert [each.action for each in await rounds.round(dry_run=True)] == ["unreadable"]
