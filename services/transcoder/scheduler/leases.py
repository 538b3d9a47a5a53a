"""Leases tasks to workers, which claim them, renew the lease, finish them or give them back."""

from typing import Any, Final

import msgspec
from sqlalchemy import text

from services.transcoder.scheduler.tasks import TaskError, TaskTable

# A message is redelivered when its worker died or lost its connection to the broker. A worker that
# has not renewed the lease for so long has died.
SILENT_SECONDS: Final = 3.0


class ClaimedTask(msgspec.Struct, frozen=True):
    """A task that this worker holds, with what it needs of the job.

    ``error``: why the last try that reported an error failed.
    """

    task_id: str
    video_id: str
    user_id: str
    attempt: int
    kind: str
    spec: dict[str, Any]
    dispatch: int
    tries: int
    plan: dict[str, Any] | None
    source_key: str
    size: int
    correlation_id: str | None
    traceparent: str | None
    error: TaskError | None = None


_CLAIM = text("""
update transcoder.tasks t
set state = 'running', worker = :worker, seen_at = now(), tries = t.tries + 1,
    progress = 0, speed = null
from transcoder.jobs j
where t.task_id = :task_id and t.dispatch = :dispatch and j.video_id = t.video_id
  and t.attempt = j.attempt and j.state in ('pending', 'running')
  and (t.state = 'queued'
       or (t.state = 'running' and :redelivered
           and t.seen_at not between now() - make_interval(secs => :silent)
                                 and now() + make_interval(secs => :silent)))
returning t.task_id, t.video_id, t.user_id, t.attempt, t.kind, t.spec, t.dispatch, t.tries,
          j.plan, j.source_key, j.size, j.correlation_id, j.traceparent, t.error
""")

_IS_RUNNING = text("""
select 1 from transcoder.tasks
where task_id = :task_id and dispatch = :dispatch and state = 'running'
""")

_BEAT = text("""
update transcoder.tasks
set seen_at = now(), progress = greatest(progress, :progress), speed = :speed
where task_id = :task_id and dispatch = :dispatch and worker = :worker and state = 'running'
""")

_FINISH = text("""
update transcoder.tasks set state = 'done', progress = 1
where task_id = :task_id and dispatch = :dispatch and worker = :worker
""")

_GIVE_BACK = text("""
update transcoder.tasks
set state = 'waiting', worker = null, error = coalesce(cast(:error as jsonb), error),
    not_before = now() + make_interval(secs => :delay),
    tries = case when :counts then tries else greatest(tries - 1, 0) end
where task_id = :task_id and dispatch = :dispatch and worker = :worker and state = 'running'
""")

# Rows that are locked are being claimed or given back, and are put off at their own time.
_PUT_OFF = text("""
update transcoder.tasks set not_before = now() + make_interval(secs => :delay)
where task_id in (select task_id from transcoder.tasks
                  where video_id = :video_id and state = 'waiting' for update skip locked)
""")

_SEEN = text("""
insert into transcoder.workers (worker, slots, seen_at) values (:worker, :slots, now())
on conflict (worker) do update set seen_at = now(), slots = excluded.slots
""")

_GONE = text("delete from transcoder.workers where worker = :worker")


class Leases(TaskTable):
    """A worker's side of the tasks table."""

    async def claim(
        self, task_id: str, dispatch: int, worker: str, *, redelivered: bool
    ) -> ClaimedTask | None:
        """Lease a task to a worker; None where the message is stale or another worker holds it."""
        rows = await self._all(
            _CLAIM,
            task_id=task_id,
            dispatch=dispatch,
            worker=worker,
            redelivered=redelivered,
            silent=SILENT_SECONDS,
        )
        return msgspec.convert(rows[0], ClaimedTask) if rows else None

    async def is_running(self, task_id: str, dispatch: int) -> bool:
        """Whether a worker holds this dispatch of the task."""
        return bool(await self._all(_IS_RUNNING, task_id=task_id, dispatch=dispatch))

    async def beat(
        self, task: ClaimedTask, worker: str, progress: float, speed: float | None
    ) -> bool:
        """Renew a lease and store the progress; False where the worker has lost the lease."""
        return await self._one(
            _BEAT,
            task_id=task.task_id,
            dispatch=task.dispatch,
            worker=worker,
            progress=progress,
            speed=speed,
        )

    async def finish(self, task: ClaimedTask, worker: str) -> None:
        """Mark a task as done, after its event is in the log."""
        await self._one(_FINISH, task_id=task.task_id, dispatch=task.dispatch, worker=worker)

    async def give_back(
        self,
        task: ClaimedTask,
        worker: str,
        *,
        delay: float,
        counts: bool,
        error: TaskError | None = None,
    ) -> None:
        """Give a task back, to be tried again after ``delay`` seconds.

        ``counts``: whether this try counts towards the limit.
        """
        await self._one(
            _GIVE_BACK,
            task_id=task.task_id,
            dispatch=task.dispatch,
            worker=worker,
            delay=delay,
            counts=counts,
            error=None if error is None else msgspec.json.encode(error).decode(),
        )

    async def put_off(self, task: ClaimedTask, worker: str, *, delay: float) -> None:
        """Give a task back uncounted, and let all tasks of its video wait for ``delay`` seconds.

        Its stream cannot be read, so none of the others could be recorded either.
        """
        await self.give_back(task, worker, delay=delay, counts=False)
        await self._one(_PUT_OFF, video_id=task.video_id, delay=delay)

    async def seen(self, worker: str, slots: int) -> None:
        """Announce a live worker that performs up to ``slots`` tasks of each queue at a time."""
        await self._one(_SEEN, worker=worker, slots=slots)

    async def gone(self, worker: str) -> None:
        """Remove a worker that is stopping."""
        await self._one(_GONE, worker=worker)


def wait_before(tries: int) -> float:
    """Seconds before a task is tried again: 1, 4, 16…"""
    return float(4 ** max(0, tries - 1))
