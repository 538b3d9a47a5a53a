"""One worker: claims tasks, does them, reports; a task ends in an event or goes back.

The lease in the tasks table is renewed every second. Whoever finds that it is no longer the
holder, because the video was cancelled or another worker took over, stops at once.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from opentelemetry import trace
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.transcoder.encoding.process import run_attributes
from services.transcoder.encoding.scratch import Scratch, ScratchFull
from services.transcoder.handlers import record
from services.transcoder.planning.media_errors import MediaRejected, TaskFailed
from services.transcoder.scheduler import (
    MAX_TRIES,
    ClaimedTask,
    Scheduler,
    SchedulerUnavailable,
    wait_before,
)
from services.transcoder.worker.context import TaskContext, TaskProgress, WorkerContext
from services.transcoder.worker.task_audio import encode_sound
from services.transcoder.worker.task_images import make_images
from services.transcoder.worker.task_plan import make_plan
from services.transcoder.worker.task_remux import cut_from_source
from services.transcoder.worker.task_video import encode_video
from shared.blobs.store import BlobStoreUnavailable
from shared.contracts import ChunkEncoded, Event, TranscodeFailed
from shared.errors import Unavailable
from shared.telemetry import continued, current_traceparent, exemplar, get_logger, tracer

_log = get_logger(__name__)

BEAT_SECONDS: Final = 1.0
_POSTPONE_SECONDS: Final = 5.0

_PERFORMERS: Final[dict[str, Callable[[WorkerContext, TaskContext], Awaitable[Event]]]] = {
    "plan": make_plan,
    "video": encode_video,
    "remux": cut_from_source,
    "audio": encode_sound,
    "images": make_images,
}


class WorkerMetrics:
    """What an operator watches."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.tasks = Counter(
            "cinelog_transcode_tasks", "Tasks ended.", ["kind", "outcome"], registry=registry
        )
        self.seconds = Histogram(
            "cinelog_transcode_task_seconds",
            "Time that tasks took.",
            ["kind"],
            buckets=(0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000),
            registry=registry,
        )
        self.running = Gauge("cinelog_transcode_running", "Tasks being done.", registry=registry)
        self.tries = Histogram(
            "cinelog_transcode_task_tries",
            "How many tries the tasks that were done took.",
            ["kind"],
            buckets=range(1, MAX_TRIES + 1),
            registry=registry,
        )
        self.speed = Histogram(
            "cinelog_encode_speed_ratio",
            "Encoding speed of a chunk, in multiples of real time; all of its renditions at once.",
            ["rendition"],
            buckets=(0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 8, 12, 20),
            registry=registry,
        )
        self._registry = registry

    def watch_scratch(self, scratch: Scratch) -> None:
        """Show how much of the disk tasks use, and what is left, in bytes."""
        used = Gauge(
            "cinelog_scratch_bytes", "Bytes that tasks have on disk.", registry=self._registry
        )
        used.set_function(scratch.used)
        free = Gauge(
            "cinelog_scratch_free_bytes", "Bytes free on that disk.", registry=self._registry
        )
        free.set_function(scratch.free)

    def done(self, task: ClaimedTask, event: Event) -> None:
        """A task has ended in its event."""
        self.tries.labels(task.kind).observe(task.tries)
        if isinstance(event, ChunkEncoded):
            # ffmpeg itself often has no word on a short run's speed.
            trace.get_current_span().set_attribute("transcode.speed", event.speed)
            for track in event.tracks:
                self.speed.labels(track.name).observe(event.speed, exemplar())


class _LostTask(Exception):
    """Somebody else holds the task, or nobody wants it any more."""


class Worker:
    """Does tasks side by side. ``slots`` is how many of each queue."""

    def __init__(
        self,
        context: WorkerContext,
        scheduler: Scheduler,
        scratch: Scratch,
        metrics: WorkerMetrics,
        slots: int,
    ) -> None:
        self._context = context
        self._scheduler = scheduler
        self._scratch = scratch
        self._metrics = metrics
        self._slots = slots
        self._running: dict[asyncio.Task[None], ClaimedTask] = {}
        self._draining = asyncio.Event()
        self._drained = asyncio.Event()

    async def show(self) -> None:
        """Tell the planner that there is somebody to work, until draining."""
        while not self._draining.is_set():
            try:
                await self._scheduler.seen(self._context.name, self._slots)
            except SchedulerUnavailable as error:
                _log.warning("the database does not answer", error=repr(error.__cause__))
            await asyncio.sleep(BEAT_SECONDS)

    async def handle(self, task_id: str, dispatch: int, *, redelivered: bool) -> None:
        """Do the task of a message. When this returns, the message has done its work.

        Raises ConnectionError where the worker is stopping: the message is for another one.
        """
        if self._draining.is_set():
            await self._drained.wait()
            raise ConnectionError("the worker is stopping")
        claimed = await self._claim(task_id, dispatch, redelivered=redelivered)
        if claimed is None:
            return
        # A message without a trace, of an older planner, still names its task, and that its job.
        traceless = current_traceparent() is None
        with (
            continued(claimed.traceparent if traceless else None),
            tracer().start_as_current_span(
                f"transcode {claimed.kind}",
                attributes={
                    "video.id": claimed.video_id,
                    "task.id": claimed.task_id,
                    "task.try": claimed.tries,
                    **_described(claimed),
                },
            ),
            run_attributes(_described(claimed)),
        ):
            doing = asyncio.create_task(self._do(claimed))
            self._running[doing] = claimed
            self._metrics.running.inc()
            try:
                await asyncio.shield(doing)
            except asyncio.CancelledError:
                doing.cancel()
                await asyncio.gather(doing, return_exceptions=True)
                if not self._draining.is_set():
                    raise
            finally:
                self._running.pop(doing, None)
                self._metrics.running.dec()

    async def drain(self, seconds: float) -> None:
        """Let running tasks finish for a while, then give the rest back."""
        self._draining.set()
        if self._running:
            await asyncio.wait(set(self._running), timeout=seconds)
        for doing in list(self._running):
            doing.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._drained.set()
        try:
            await self._scheduler.gone(self._context.name)
        except SchedulerUnavailable:
            _log.warning("the planner will notice by itself that this worker has left")

    async def _claim(self, task_id: str, dispatch: int, *, redelivered: bool) -> ClaimedTask | None:
        while True:
            claimed = await self._scheduler.claim(
                task_id, dispatch, self._context.name, redelivered=redelivered
            )
            if claimed is not None or not redelivered:
                return claimed
            # A message comes back when its worker died, but also when a live one only lost its
            # connection: wait until that one is silent, or done.
            if not await self._scheduler.is_running(task_id, dispatch):
                return None
            await asyncio.sleep(BEAT_SECONDS)

    async def _do(self, task: ClaimedTask) -> None:
        log = _log.bind(task=task.task_id, try_number=task.tries)
        started = time.monotonic()
        outcome = "done"
        try:
            await self._perform(task, started)
            log.info("task done", seconds=round(time.monotonic() - started, 2))
        except _LostTask:
            outcome = "lost"
            log.info("task is no longer ours")
        except MediaRejected as error:
            outcome = "rejected"
            log.info("media rejected", code=error.code)
            await self._fail(task, error.code, error.reason, error.detail)
        except TaskFailed as error:
            outcome = "failed"
            log.warning("task failed", code=error.code, detail=error.detail)
            if await self._storage_is_away():
                await self._postpone(task)
            else:
                await self._retry_or_fail(task, error)
        except (ScratchFull, Unavailable, OSError) as error:
            outcome = "postponed"
            log.warning("task postponed", error=repr(error))
            await self._postpone(task)
        except asyncio.CancelledError:
            await self._scheduler.give_back(task, self._context.name, delay=0, counts=False)
            log.info("task given back")
            raise
        except Exception as error:
            outcome = "failed"
            log.error("task failed unexpectedly", error=repr(error), exc_info=True)
            await self._retry_or_fail(
                task, TaskFailed("internal", "Something went wrong on our side.", repr(error))
            )
        finally:
            self._metrics.tasks.labels(task.kind, outcome).inc()
            seconds = time.monotonic() - started
            self._metrics.seconds.labels(task.kind).observe(seconds, exemplar())

    async def _perform(self, task: ClaimedTask, started: float) -> None:
        progress = TaskProgress()
        with self._scratch.task() as folder:
            performing = asyncio.ensure_future(
                _PERFORMERS[task.kind](self._context, TaskContext(task, folder, progress, started))
            )
            beating = asyncio.create_task(self._beat(task, progress))
            try:
                await asyncio.wait({performing, beating}, return_when=asyncio.FIRST_COMPLETED)
                if not performing.done():
                    beating.result()
                    raise _LostTask
                event = performing.result()
            finally:
                for running in (performing, beating):
                    running.cancel()
                await asyncio.gather(performing, beating, return_exceptions=True)
        await record(self._context.store, task.video_id, event, task.correlation_id)
        await self._scheduler.finish(task, self._context.name)
        self._metrics.done(task, event)

    async def _beat(self, task: ClaimedTask, progress: TaskProgress) -> None:
        """Renew the lease; returns once it is lost."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                held = await self._scheduler.beat(
                    task, self._context.name, progress.fraction, progress.speed
                )
            except SchedulerUnavailable:
                # Without the database nobody else can take the task either.
                continue
            if not held:
                return

    async def _storage_is_away(self) -> bool:
        try:
            await self._context.sources.ping()
        except BlobStoreUnavailable:
            return True
        return False

    async def _postpone(self, task: ClaimedTask) -> None:
        """What is missing is not the task's fault: it does not count as a try."""
        await self._scheduler.give_back(
            task, self._context.name, delay=_POSTPONE_SECONDS, counts=False
        )

    async def _retry_or_fail(self, task: ClaimedTask, error: TaskFailed) -> None:
        if task.tries >= MAX_TRIES:
            await self._fail(task, error.code, error.reason, error.detail)
            return
        await self._scheduler.give_back(
            task,
            self._context.name,
            delay=wait_before(task.tries),
            counts=True,
            error=f"{error.code}: {error.reason}\n{error.detail or ''}".strip(),
        )

    async def _fail(self, task: ClaimedTask, code: str, reason: str, detail: str | None) -> None:
        event = TranscodeFailed(
            video_id=task.video_id,
            attempt=task.attempt,
            code=code,
            reason=reason,
            detail=detail,
            worker=self._context.name,
        )
        await record(self._context.store, task.video_id, event, task.correlation_id)


def _described(task: ClaimedTask) -> dict[str, str]:
    """What a task is about, for its spans: which renditions of which chunk, or which track."""
    described = {"transcode.attempt": str(task.attempt)}
    for name in ("renditions", "chunk", "track"):
        value = task.spec.get(name)
        if value is not None:
            text = ",".join(value) if isinstance(value, list) else str(value)
            described[f"transcode.{name}"] = text
    return described
