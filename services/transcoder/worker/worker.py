"""One worker: claims tasks and performs them. A task ends in an event or goes back to the table.

A heartbeat renews the leases of the running tasks every second. The worker stops a task whose
lease is lost: the video was cancelled, or another worker has taken the task over.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Final

from services.transcoder.encoding.scratch import Scratch, ScratchFull
from services.transcoder.handlers import record, state_of
from services.transcoder.planning.media_errors import MediaRejected, TaskFailed, failed
from services.transcoder.scheduler.leases import ClaimedTask, Leases, wait_before
from services.transcoder.scheduler.tasks import SchedulerUnavailable, TaskError
from services.transcoder.worker.context import TaskContext, TaskProgress, WorkerContext
from services.transcoder.worker.judgement import SourceDoubted, careful, is_last, judged
from services.transcoder.worker.metrics import WorkerMetrics
from services.transcoder.worker.task_audio import encode_sound
from services.transcoder.worker.task_captions import extract_captions
from services.transcoder.worker.task_images import make_images
from services.transcoder.worker.task_plan import make_plan
from services.transcoder.worker.task_remux import cut_from_source
from services.transcoder.worker.task_video import encode_video
from shared.blobs.store import BlobStoreUnavailable
from shared.contracts import Event, TranscodeFailed
from shared.errors import Unavailable
from shared.event_store.store import UnreadableStream
from shared.programs.process import run_attributes
from shared.telemetry import continued, current_traceparent, exemplar, get_logger, tracer

_log = get_logger(__name__)

# Seconds between two renewals of a lease, and between two times that a worker says it is there.
HEARTBEAT_SECONDS: Final = 1.0
_SEEN_SECONDS: Final = 3.0
_POSTPONE_SECONDS: Final = 5.0
_RECORD_TRIES: Final = 3
# How long the tasks of a video wait whose stream this build cannot read: until an upgrade.
_UNREADABLE_SECONDS: Final = 30.0

PERFORMERS: Final[dict[str, Callable[[WorkerContext, TaskContext], Awaitable[Event]]]] = {
    "plan": make_plan,
    "video": encode_video,
    "remux": cut_from_source,
    "audio": encode_sound,
    "images": make_images,
    "captions": extract_captions,
}


class _LostLease(Exception):
    """Another worker holds the task, or its video was cancelled."""


class _Lease:
    """A claimed task, its progress, and whether the claim is lost."""

    def __init__(self, task: ClaimedTask) -> None:
        self.task = task
        self.progress = TaskProgress()
        self.lost = asyncio.Event()


class Worker:
    """Performs tasks side by side: up to ``slots`` of each queue.

    ``beats`` renews leases, over connections that are given up before a lease ends.
    """

    def __init__(
        self,
        context: WorkerContext,
        leases: Leases,
        scratch: Scratch,
        metrics: WorkerMetrics,
        slots: int,
        *,
        beats: Leases | None = None,
    ) -> None:
        self._context = context
        self._leases = leases
        self._beats = beats or leases
        self._scratch = scratch
        self._metrics = metrics
        self._slots = slots
        self._running: set[asyncio.Task[None]] = set()
        self._held: set[_Lease] = set()
        self._seen_at = float("-inf")
        self._draining = asyncio.Event()
        self._drained = asyncio.Event()

    async def heartbeat(self) -> None:
        """Announce the worker and renew its leases. Raises SchedulerUnavailable.

        A draining worker only renews: it takes no more tasks. While the database is away no other
        worker can take a task either, so leases are not given up.
        """
        now = time.monotonic()
        if not self._draining.is_set() and now - self._seen_at >= _SEEN_SECONDS:
            await self._beats.seen(self._context.name, self._slots)
            self._seen_at = now
        for lease in list(self._held):
            held = await self._beats.beat(
                lease.task, self._context.name, lease.progress.fraction, lease.progress.speed
            )
            if not held:
                lease.lost.set()

    async def handle(self, task_id: str, dispatch: int, *, redelivered: bool) -> None:
        """Perform the task of a message. The message may be acknowledged when this returns.

        Raises ConnectionError where the worker is stopping, so that another one gets the message.
        """
        if self._draining.is_set():
            await self._drained.wait()
            raise ConnectionError("the worker is stopping")
        claimed = await self._claim(task_id, dispatch, redelivered=redelivered)
        if claimed is None:
            return
        # A message without a trace context, from an older release: the job's row has the same.
        traceless = current_traceparent() is None
        with (
            continued(claimed.traceparent if traceless else None),
            tracer().start_as_current_span(
                f"transcode {claimed.kind}",
                attributes={
                    "video.id": claimed.video_id,
                    "task.id": claimed.task_id,
                    "task.try": claimed.tries,
                    **_attributes(claimed),
                },
            ),
            run_attributes(_attributes(claimed)),
        ):
            doing = asyncio.create_task(self._do(claimed))
            self._running.add(doing)
            self._metrics.running.inc()
            try:
                await asyncio.shield(doing)
            except asyncio.CancelledError:
                doing.cancel()
                await asyncio.gather(doing, return_exceptions=True)
                if not self._draining.is_set():
                    raise
            finally:
                self._running.discard(doing)
                self._metrics.running.dec()

    async def drain(self, seconds: float) -> None:
        """Let running tasks finish for up to ``seconds``, then give the rest back."""
        self._draining.set()
        if self._running:
            await asyncio.wait(set(self._running), timeout=seconds)
        for doing in list(self._running):
            doing.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._drained.set()
        try:
            await self._leases.gone(self._context.name)
        except SchedulerUnavailable:
            _log.warning("worker not signed off; its row expires")

    async def _claim(self, task_id: str, dispatch: int, *, redelivered: bool) -> ClaimedTask | None:
        """Claim the task of a message; None where another worker has done it or holds it.

        A message is redelivered when its worker died, but also when a live worker only lost its
        connection to the broker: then this waits until that worker is silent or done.
        """
        claimed = await self._try_claim(task_id, dispatch, redelivered=redelivered)
        while claimed is None and redelivered and await self._leases.is_running(task_id, dispatch):
            await asyncio.sleep(HEARTBEAT_SECONDS)
            claimed = await self._try_claim(task_id, dispatch, redelivered=redelivered)
        return claimed

    async def _try_claim(
        self, task_id: str, dispatch: int, *, redelivered: bool
    ) -> ClaimedTask | None:
        return await self._leases.claim(
            task_id, dispatch, self._context.name, redelivered=redelivered
        )

    async def _do(self, task: ClaimedTask) -> None:
        log = _log.bind(task=task.task_id, try_number=task.tries)
        started = time.monotonic()
        outcome = "given_back"
        try:
            outcome = await self._try(task, started)
        except UnreadableStream as error:
            outcome = "unreadable"
            log.warning("task put off", reason=error.message)
            await self._leases.put_off(task, self._context.name, delay=_UNREADABLE_SECONDS)
        finally:
            self._metrics.tasks.labels(task.kind, outcome).inc()
            seconds = time.monotonic() - started
            self._metrics.seconds.labels(task.kind).observe(seconds, exemplar())

    async def _try(self, task: ClaimedTask, started: float) -> str:
        """Perform a task or give it back; returns the outcome for the metric.

        Raises UnreadableStream where the result could not be recorded.
        """
        log = _log.bind(task=task.task_id, try_number=task.tries)
        outcome = "done"
        try:
            # Before the work: a result that cannot be recorded would be made for nothing.
            await state_of(self._context.store, task.video_id)
            await self._perform(task, started)
            log.info("task done", seconds=round(time.monotonic() - started, 2))
        except _LostLease:
            outcome = "lost"
            log.info("task lease lost")
        except MediaRejected as error:
            outcome = "rejected"
            log.info("media rejected", code=error.code)
            await self._fail(task, error.code, error.reason, error.detail)
        except TaskFailed as error:
            outcome = "failed"
            if isinstance(error, SourceDoubted):
                outcome = "doubted"
                log.info("source doubted", code=error.code, detail=error.detail)
            else:
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
            await self._leases.give_back(task, self._context.name, delay=0, counts=False)
            log.info("task given back")
            raise
        except UnreadableStream:
            raise
        except Exception as error:
            outcome = "failed"
            log.error("task failed unexpectedly", error=repr(error), exc_info=True)
            await self._retry_or_fail(task, failed("internal", repr(error)))
        return outcome

    async def _perform(self, task: ClaimedTask, started: float) -> None:
        """Perform a task and record its event. Raises _LostLease, and what performers raise."""
        with self._scratch.task() as folder, self._leased(task) as lease:
            context = TaskContext(task, folder, lease.progress, started)
            performing = asyncio.ensure_future(self._make(context))
            losing = asyncio.create_task(lease.lost.wait())
            try:
                await asyncio.wait({performing, losing}, return_when=asyncio.FIRST_COMPLETED)
                if not performing.done():
                    raise _LostLease
                event = performing.result()
            finally:
                for running in (performing, losing):
                    running.cancel()
                await asyncio.gather(performing, losing, return_exceptions=True)
            await self._record(task, event)
        await self._leases.finish(task, self._context.name)
        self._metrics.done(task, event)

    async def _record(self, task: ClaimedTask, event: Event) -> None:
        """Append the event of a task, again where the database is away: the work would be lost.

        An append whose answer was lost changes nothing when it is repeated.
        """
        for _ in range(_RECORD_TRIES - 1):
            try:
                await record(self._context.store, task.video_id, event, task.correlation_id)
            except (Unavailable, OSError) as error:
                _log.warning("result not recorded yet", task=task.task_id, error=repr(error))
                await asyncio.sleep(HEARTBEAT_SECONDS)
            else:
                return
        await record(self._context.store, task.video_id, event, task.correlation_id)

    async def _make(self, context: TaskContext) -> Event:
        """The event of a task. Raises MediaRejected where that is believed, TaskFailed."""
        worker, task = self._context, context.task
        try:
            worker = await careful(worker, context)
            return await PERFORMERS[task.kind](worker, context)
        except MediaRejected as error:
            worker.sources.forget(context.source_key)
            raise judged(worker, task, error) from error

    @contextmanager
    def _leased(self, task: ClaimedTask) -> Generator[_Lease]:
        """Let the heartbeat renew the lease of a task while entered."""
        lease = _Lease(task)
        self._held.add(lease)
        try:
            yield lease
        finally:
            self._held.discard(lease)

    async def _storage_is_away(self) -> bool:
        try:
            await self._context.sources.ping()
        except BlobStoreUnavailable:
            return True
        return False

    async def _postpone(self, task: ClaimedTask) -> None:
        """Give a task back without counting the try: a resource is missing, the task is fine."""
        await self._leases.give_back(
            task, self._context.name, delay=_POSTPONE_SECONDS, counts=False
        )

    async def _retry_or_fail(self, task: ClaimedTask, error: TaskFailed) -> None:
        if is_last(task, error):
            await self._fail(task, error.code, error.reason, error.detail)
            return
        await self._leases.give_back(
            task,
            self._context.name,
            delay=wait_before(task.tries),
            counts=True,
            error=TaskError(error.code, error.reason, error.detail),
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
        outcome = await record(self._context.store, task.video_id, event, task.correlation_id)
        self._metrics.attempts.observe(outcome)


def _attributes(task: ClaimedTask) -> dict[str, str]:
    """Span attributes of a task: its attempt, and its chunk, renditions or track."""
    attributes = {"transcode.attempt": str(task.attempt)}
    for name in ("renditions", "chunk", "track"):
        value = task.spec.get(name)
        if value is not None:
            text = ",".join(value) if isinstance(value, list) else str(value)
            attributes[f"transcode.{name}"] = text
    return attributes
