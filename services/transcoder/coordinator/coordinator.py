"""The leading coordinator's loops: dispatch tasks, publish playlists, keep house, compact,
delete.

Loops wake up when the projection has applied events, and poll besides, because a notification may
be lost: less often while nothing happens and no job is open.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Protocol

from services.transcoder.coordinator.compaction import Compactor
from services.transcoder.coordinator.deleting import Deleter
from services.transcoder.coordinator.deletion_repository import DeletionRepository
from services.transcoder.coordinator.metrics import CoordinatorMetrics
from services.transcoder.coordinator.publisher import Publisher
from services.transcoder.coordinator.sweeping import sweep
from services.transcoder.handlers import record, state_of
from services.transcoder.jobs.jobs import JobRecord, JobRepository
from services.transcoder.planning.reasons import reason
from services.transcoder.scheduler.dispatcher import (
    Dispatcher,
    ExhaustedTask,
    JobProgress,
    PickedTask,
)
from services.transcoder.scheduler.tasks import QueueName, TaskError
from shared.blobs.store import BlobStore
from shared.contracts import (
    MediaRepairFailed,
    TranscodeFailed,
    TranscodeProgressed,
    VideoPlayable,
    VideoUploaded,
    stream_id,
)
from shared.event_store.store import EventStore
from shared.loops.items import Items
from shared.loops.loops import Loops
from shared.outages import is_outage
from shared.telemetry import exemplar, get_logger, span_in_each

_log = get_logger(__name__)

_DISPATCH_SECONDS: Final = 0.5
_PUBLISH_SECONDS: Final = 1.0
_HOUSEKEEPING_SECONDS: Final = 1.0
_METRICS_SECONDS: Final = 5.0
_FORGET_SECONDS: Final = 60.0
# One round may delete or join all objects of a long film.
_STORAGE_SILENCE_SECONDS: Final = 900.0
_DELETING: Final = "delete objects"
# Before a task whose message was refused is sent again.
_REFUSED_SECONDS: Final = 30.0
# Jobs that one round works on.
_JOBS: Final = 8

# Progress becomes an event when it has grown by this many percent.
_STEP_PERCENT: Final = 1.0
# The error of a task whose workers died each time before they could report one.
_WORKER_DIED: Final = TaskError("worker.died", reason("worker.died"))
# Attempts whose last reported percentage is remembered.
_MAX_REPORTED: Final = 10_000


class TaskQueue(Protocol):
    """Sends tasks to the workers."""

    async def send(self, queue: QueueName, task: PickedTask) -> None:
        """Publish with confirmation. Raises where the broker does not take the message."""
        ...


class Coordinator:
    """Coordinates the workers while its process leads."""

    def __init__(
        self,
        jobs: JobRepository,
        dispatcher: Dispatcher,
        store: EventStore,
        media: BlobStore,
        deletions: DeletionRepository,
        *,
        metrics: CoordinatorMetrics,
        loops: Loops,
    ) -> None:
        self._jobs = jobs
        self._dispatcher = dispatcher
        self._store = store
        self._media = media
        self._publisher = Publisher(media)
        self._deletions = deletions
        self._compactor = Compactor(
            jobs, store, media, self._publisher, deletions, metrics=metrics.items
        )
        self._deleter = Deleter(
            deletions,
            store,
            media,
            metrics,
            busy=lambda: self._compactor.busy,
            advanced=partial(loops.progress.advance, _DELETING),
        )
        self._metrics = metrics
        self._loops = loops
        self._publishing = Items("publish playlists", metrics.items)
        self._sweeping = Items("sweep objects", metrics.items)
        self._failing = Items("fail exhausted tasks", metrics.items)
        self._reporting = Items("report progress", metrics.items)
        self._dispatch = asyncio.Event()
        self._publish = asyncio.Event()
        # Videos that wait until all others with changes have been published, too.
        self._had_turn: list[str] = []
        self._reported: dict[tuple[str, int], float] = {}

    def wake(self) -> None:
        """Start the next rounds now: the projection has applied events."""
        self._dispatch.set()
        self._publish.set()
        self._loops.rest.stir()

    async def run(self) -> None:
        """Run every loop that needs no broker, until cancelled."""
        steps: list[tuple[str, Callable[[], Awaitable[None]], float, asyncio.Event | None]] = [
            ("publish playlists", self._publish_round, _PUBLISH_SECONDS, self._publish),
            ("keep house", self._keep_house, _HOUSEKEEPING_SECONDS, None),
            ("compact videos", self._compactor.step, _HOUSEKEEPING_SECONDS, None),
            (_DELETING, self._deleter.round, _HOUSEKEEPING_SECONDS, None),
            ("measure open work", self._measure, _METRICS_SECONDS, None),
            ("forget workers", self._dispatcher.forget_workers, _FORGET_SECONDS, None),
        ]
        try:
            async with asyncio.TaskGroup() as group:
                for name, step, seconds, wake in steps:
                    group.create_task(
                        self._loops.repeat(
                            name,
                            step,
                            seconds,
                            wake=wake,
                            silence_seconds=_STORAGE_SILENCE_SECONDS,
                            rests=True,
                        )
                    )
        finally:
            self._metrics.open.clear()

    async def dispatch(self, queue: TaskQueue) -> None:
        """Send tasks to ``queue``, until cancelled."""
        await self._loops.repeat(
            "dispatch tasks",
            lambda: self._dispatch_round(queue),
            _DISPATCH_SECONDS,
            wake=self._dispatch,
            rests=True,
        )

    async def _measure(self) -> None:
        if await self._metrics.open.refresh():
            # Workers that work tell so in tables, and may do that for minutes without an event.
            self._loops.rest.stir()

    async def _dispatch_round(self, queue: TaskQueue) -> None:
        for name in await self._dispatcher.in_demand():
            picked = await self._dispatcher.pick(name)
            refused: list[PickedTask] = []
            while picked:
                try:
                    await queue.send(name, picked[0])
                except BaseException as error:
                    # One task may be at fault, two in a row are not. Also where this loop is
                    # cancelled because the connection is lost: otherwise the tasks would wait
                    # until their messages are unclaimed for too long.
                    if refused or not isinstance(error, Exception) or is_outage(error):
                        await self._dispatcher.unsent([*refused, *picked])
                        raise
                    refused.append(picked.pop(0))
                    _log.error("task not sent", task=refused[0].task_id, error=repr(error))
                    continue
                del picked[0]
                self._metrics.dispatched.labels(name).inc()
                await self._put_off(refused)
            await self._put_off(refused)

    async def _put_off(self, refused: list[PickedTask]) -> None:
        """Take back a task that the broker refused while it took others."""
        if refused:
            await self._dispatcher.unsent(refused, delay=_REFUSED_SECONDS)
            self._metrics.items.failures.labels("dispatch tasks").inc(len(refused))
            refused.clear()

    async def _publish_round(self) -> None:
        without = [*self._publishing.waiting, *self._had_turn]
        found = await self._jobs.to_publish(_JOBS, without)
        await self._publishing.together(found, _video_of, self._publish_job)
        full = len(found) == _JOBS
        if full or self._had_turn:
            self._publish.set()
        self._had_turn = [*self._had_turn, *map(_video_of, found)] if full else []

    async def _publish_job(self, job: JobRecord) -> None:
        with span_in_each("publish playlists", [job.traceparent], {"video.id": job.video_id}):
            state = await state_of(self._store, job.video_id)
            for event in await self._publisher.publish(job.video_id, state):
                outcome = await record(self._store, job.video_id, event, job.correlation_id)
                self._metrics.attempts.observe(outcome)
                if isinstance(event, TranscodeFailed) and outcome.events:
                    self._metrics.faults.labels(event.code).inc()
                    _log.warning(
                        "result rejected", video=job.video_id, code=event.code, detail=event.detail
                    )
                if any(isinstance(new, VideoPlayable) for new in outcome.events):
                    await self._observe_playable(job)
        await self._jobs.published(job)

    async def _observe_playable(self, job: JobRecord) -> None:
        """Observe the seconds from upload to playable, for first attempts only."""
        if job.attempt > 1:
            return
        for upload in await self._store.read_stream(stream_id("upload", job.video_id)):
            if isinstance(upload.data, VideoUploaded):
                seconds = time.time() - upload.recorded_at.timestamp()
                self._metrics.playable.observe(max(0.0, seconds), exemplar())

    async def _keep_house(self) -> None:
        expired = await self._dispatcher.expire()
        if expired:
            self._metrics.expired.inc(expired)
            _log.warning("tasks taken back", tasks=expired)
            self._dispatch.set()
        await self._fail_exhausted()
        await self._reporting.each(await self._dispatcher.progress(), _video_of, self._report)
        jobs = await self._jobs.to_sweep(_JOBS, self._sweeping.waiting)
        await self._sweeping.each(jobs, _video_of, self._sweep_job)

    async def _fail_exhausted(self) -> None:
        """Fail the videos of tasks that have been tried too often."""
        tasks = await self._dispatcher.exhausted(self._failing.waiting)
        await self._failing.each(tasks, _video_of, self._fail)

    async def _fail(self, task: ExhaustedTask) -> None:
        error = task.error or _WORKER_DIED
        event = TranscodeFailed(
            video_id=task.video_id,
            attempt=task.attempt,
            code=error.code,
            reason=error.reason,
            detail=error.detail,
        )
        outcome = await record(self._store, task.video_id, event, task.video_id)
        self._metrics.attempts.observe(outcome)
        for new in outcome.events:
            if isinstance(new, MediaRepairFailed):
                self._metrics.failed_repairs.inc()
                _log.error("media not restored", video=new.video_id, reason=new.reason)

    async def _report(self, progress: JobProgress) -> None:
        # 100 is left to the completed video: playlists follow the last task.
        percent = min(99.0, round(progress.percent, 1))
        key = (progress.video_id, progress.attempt)
        if percent < self._reported.get(key, 0.0) + _STEP_PERCENT:
            return
        if len(self._reported) > _MAX_REPORTED:
            self._reported.clear()
        self._reported[key] = percent
        event = TranscodeProgressed(
            video_id=progress.video_id,
            attempt=progress.attempt,
            percent=percent,
            stage="preparing" if progress.preparing else "encoding",
            speed=round(progress.speed, 2) if progress.speed else None,
            worker=progress.worker,
        )
        await record(self._store, progress.video_id, event, progress.video_id)

    async def _sweep_job(self, job: JobRecord) -> None:
        if job.video_id == self._compactor.busy:
            return
        await sweep(self._store, self._media, self._deletions, job)
        await self._jobs.swept(job)


class _OfVideo(Protocol):
    @property
    def video_id(self) -> str: ...


def _video_of(item: _OfVideo) -> str:
    return item.video_id
