"""What the leading planner does besides projecting: hand out, publish, look after.

Each loop wakes when the projection has moved and looks again every so often besides, so that a
lost wake-up costs a moment and never a job.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.coordinator.compaction import Compactor
from services.transcoder.coordinator.metrics import OpenWork
from services.transcoder.coordinator.publisher import Publisher, referenced
from services.transcoder.handlers import record, state_of
from services.transcoder.jobs import JobRecord, JobRepository
from services.transcoder.manifests.dash import MANIFEST
from services.transcoder.manifests.hls import MASTER
from services.transcoder.object_keys import attempt_prefix
from services.transcoder.scheduler import JobProgress, PickedTask, QueueName, Scheduler
from shared.blobs.store import BlobStore
from shared.contracts import (
    TranscodeFailed,
    TranscodeProgressed,
    VideoPlayable,
    VideoUploaded,
    stream_id,
)
from shared.event_store.store import EventStore
from shared.telemetry import exemplar, get_logger, span_in_each

_log = get_logger(__name__)

_DISPATCH_SECONDS: Final = 0.5
_PUBLISH_SECONDS: Final = 1.0
_UPKEEP_SECONDS: Final = 1.0
_FIGURES_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 1.0
_AT_ONCE: Final = 8

# Progress is worth an event when it has grown by this many percent, and at most once a second.
_STEP_PERCENT: Final = 1.0


class TaskQueue(Protocol):
    """The fast way to the workers."""

    async def send(self, queue: QueueName, task: PickedTask) -> None:
        """Publish with confirmation. Raises if the broker does not take it."""
        ...


class CoordinatorMetrics:
    """What an operator watches."""

    def __init__(self, engine: AsyncEngine, registry: CollectorRegistry) -> None:
        self.dispatched = Counter(
            "cinelog_transcode_dispatched", "Tasks sent.", ["queue"], registry=registry
        )
        self.expired = Counter(
            "cinelog_transcode_expired", "Tasks taken back from silence.", registry=registry
        )
        self.leader = Gauge("cinelog_planner_leader", "1 while this one leads.", registry=registry)
        self.playable = Histogram(
            "cinelog_time_to_playable_seconds",
            "Seconds from an upload's last byte until the video can be played.",
            buckets=(0.5, 1, 2, 3, 5, 8, 12, 20, 30, 60, 120, 300, 900, 3600),
            registry=registry,
        )
        self.open = OpenWork(engine, registry)


class Coordinator:
    """Runs while its process leads."""

    def __init__(
        self,
        jobs: JobRepository,
        scheduler: Scheduler,
        store: EventStore,
        media: BlobStore,
        metrics: CoordinatorMetrics,
    ) -> None:
        self._jobs = jobs
        self._scheduler = scheduler
        self._store = store
        self._media = media
        self._publisher = Publisher(media)
        self._compactor = Compactor(jobs, store, media, self._publisher)
        self._metrics = metrics
        self._dispatch = asyncio.Event()
        self._publish = asyncio.Event()
        self._reported: dict[tuple[str, int], float] = {}

    def wake(self) -> None:
        """The projection has moved."""
        self._dispatch.set()
        self._publish.set()

    async def run(self, queue: TaskQueue) -> None:
        """All loops, until cancelled."""
        self._metrics.leader.set(1)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(
                    _forever(lambda: self._hand_out(queue), self._dispatch, _DISPATCH_SECONDS)
                )
                group.create_task(_forever(self._show, self._publish, _PUBLISH_SECONDS))
                group.create_task(_forever(self._look_after, asyncio.Event(), _UPKEEP_SECONDS))
                group.create_task(_forever(self._compactor.step, asyncio.Event(), _UPKEEP_SECONDS))
                group.create_task(
                    _forever(self._metrics.open.look, asyncio.Event(), _FIGURES_SECONDS)
                )
        finally:
            self._metrics.leader.set(0)
            self._metrics.open.forget()

    async def _hand_out(self, queue: TaskQueue) -> None:
        names: tuple[QueueName, ...] = ("urgent", "bulk")
        for name in names:
            for task in await self._scheduler.pick(name):
                # If this fails the task stays queued in the table, and is sent again in time.
                await queue.send(name, task)
                self._metrics.dispatched.labels(name).inc()

    async def _show(self) -> None:
        found = await self._jobs.to_publish(_AT_ONCE)
        await asyncio.gather(*(self._show_one(job) for job in found))
        if len(found) == _AT_ONCE:
            self._publish.set()

    async def _show_one(self, job: JobRecord) -> None:
        with span_in_each("publish playlists", [job.traceparent], {"video.id": job.video_id}):
            state = await state_of(self._store, job.video_id)
            for event in await self._publisher.publish(job.video_id, state):
                outcome = await record(self._store, job.video_id, event, job.correlation_id)
                if any(isinstance(new, VideoPlayable) for new in outcome.events):
                    await self._became_playable(job)
        await self._jobs.published(job)

    async def _became_playable(self, job: JobRecord) -> None:
        """Observe how long that took. A retry began later, and says nothing about it."""
        if job.attempt > 1:
            return
        for upload in await self._store.read_stream(stream_id("upload", job.video_id)):
            if isinstance(upload.data, VideoUploaded):
                seconds = time.time() - upload.recorded_at.timestamp()
                self._metrics.playable.observe(max(0.0, seconds), exemplar())

    async def _look_after(self) -> None:
        expired = await self._scheduler.expire()
        if expired:
            self._metrics.expired.inc(expired)
            _log.warning("tasks taken back", tasks=expired)
            self._dispatch.set()
        await self._give_up()
        for progress in await self._scheduler.progress():
            await self._report(progress)
        for job in await self._jobs.to_sweep(_AT_ONCE):
            if job.video_id == self._compactor.busy:
                continue
            await self._sweep(job)
            await self._jobs.swept(job)
        await self._scheduler.forget_workers()

    async def _give_up(self) -> None:
        """Fail the videos of tasks that killed every worker that tried."""
        for task in await self._scheduler.exhausted():
            first, _, rest = (task.last_error or "").partition("\n")
            code, _, reason = first.partition(": ")
            event = TranscodeFailed(
                video_id=task.video_id,
                attempt=task.attempt,
                code=code if reason else "worker.died",
                reason=reason or "Processing this video failed several times.",
                detail=rest or None,
            )
            await record(self._store, task.video_id, event, task.video_id)

    async def _report(self, progress: JobProgress) -> None:
        # 100 is for the finished video: the playlists still have to follow the last task.
        percent = min(99.0, round(progress.percent, 1))
        key = (progress.video_id, progress.attempt)
        if percent < self._reported.get(key, 0.0) + _STEP_PERCENT:
            return
        if len(self._reported) > 10_000:
            self._reported.clear()
        self._reported[key] = percent
        event = TranscodeProgressed(
            video_id=progress.video_id,
            attempt=progress.attempt,
            percent=percent,
            stage="encoding",
            speed=round(progress.speed, 2) if progress.speed else None,
            worker=progress.worker,
        )
        await record(self._store, progress.video_id, event, progress.video_id)

    async def _sweep(self, job: JobRecord) -> None:
        """Remove what nothing refers to: all of a video that is gone, else left-overs only."""
        if job.state == "deleted":
            await self._media.delete_prefix(f"{job.video_id}/")
            await self._media.drop_unfinished(f"{job.video_id}/")
        elif job.state == "completed":
            kept = referenced(job.video_id, await state_of(self._store, job.video_id))
            async for blob in self._media.list(f"{job.video_id}/"):
                if blob.key not in kept:
                    await self._media.delete(blob.key)
        else:
            # A retry may be on its way already, in the next attempt's folder.
            for name in (MASTER, MANIFEST):
                await self._media.delete(f"{job.video_id}/{name}")
            for attempt in range(1, job.attempt + 1):
                await self._media.delete_prefix(f"{attempt_prefix(job.video_id, attempt)}/")


async def _forever(
    step: Callable[[], Awaitable[None]], wake: asyncio.Event, seconds: float
) -> None:
    while True:
        wake.clear()
        try:
            await step()
        except Exception as error:
            # Database, broker or storage is away: whatever was not done is found again.
            _log.warning("planner waits", error=repr(error))
            await asyncio.sleep(_RETRY_SECONDS)
            continue
        try:
            async with asyncio.timeout(seconds):
                await wake.wait()
        except TimeoutError:
            continue
