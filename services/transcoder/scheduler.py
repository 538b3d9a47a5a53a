"""The scheduler: dispatches tasks in fair order, leases them to workers, recovers lost ones.

Start-time fair queueing (Goyal, Vin, Cheng 1996): each user has a virtual finish time. A task's
start is max(the queue's clock, its user's finish time). The task with the earliest start is next,
and its cost is added to the user's finish time. So a user with one video does not wait for another
user's hundred, and an idle user saves up no claim.

The tasks table is authoritative and messages are hints: a message that is lost, stale or delivered
twice does no harm.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.errors import Unavailable

QueueName = Literal["urgent", "bulk"]

# Tasks up to this priority are urgent: they make a video playable, and are short.
URGENT_PRIORITY: Final = 1

# Tasks above this priority, such as other codecs, wait for the user's other videos.
EXTRA_PRIORITY: Final = 2

# A worker renews its leases every second; a lease not renewed for so long expires.
LEASE_SECONDS: Final = 15.0
# A message is redelivered when its worker died or lost its connection to the broker. A worker that
# has not renewed the lease for so long has died.
SILENT_SECONDS: Final = 3.0
# A task whose message no worker has taken for so long is dispatched again: the message may wait
# behind long tasks. Where a worker has a free slot, nothing is before it, and it is lost much
# sooner. The message of an earlier dispatch is worthless, so a mistake costs only a message.
UNCLAIMED_SECONDS: Final = 60.0
LOST_SECONDS: Final = 10.0
# A worker that has not announced itself for so long counts as gone.
WORKER_SECONDS: Final = 10.0
MAX_TRIES: Final = 4
# How many times the cost of a plan that takes long its video is assumed to cost in all.
_PREPARING_SHARE: Final = 4.0


class SchedulerUnavailable(Unavailable):
    """The database does not answer."""

    code = "scheduler_unavailable"


class PickedTask(msgspec.Struct, frozen=True):
    """A task to send. ``dispatch`` is the number of this dispatch of the task."""

    task_id: str
    dispatch: int
    traceparent: str | None


class TaskError(msgspec.Struct, frozen=True):
    """Why a try failed: as in ``TranscodeFailed``."""

    code: str
    reason: str
    detail: str | None = None


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


class ExhaustedTask(msgspec.Struct, frozen=True):
    """A task that has been tried too often, with the error of its last try that reported one."""

    task_id: str
    video_id: str
    attempt: int
    error: TaskError | None


_EXPIRE = text("""
with capacity as (
    select coalesce(sum(slots), 0) as slots from transcoder.workers
    where seen_at > now() - make_interval(secs => :fresh)
), queues as (
    select is_urgent, (select slots from capacity) > (
        select count(*) from transcoder.tasks
        where state = 'running' and (priority <= :urgent) = is_urgent) as has_room
    from (values (true), (false)) each_queue (is_urgent)
)
update transcoder.tasks t set state = 'waiting', worker = null
from queues q
where q.is_urgent = (t.priority <= :urgent)
  and ((t.state = 'running' and t.seen_at < now() - make_interval(secs => :lease))
       or (t.state = 'queued' and t.queued_at < now() - make_interval(
               secs => case when q.has_room then cast(:lost as double precision)
                                 else cast(:unclaimed as double precision) end)))
returning t.task_id
""")

_EXHAUSTED = text("""
select task_id, video_id, attempt, error from transcoder.tasks
where state = 'waiting' and tries >= :max_tries and video_id <> all(:without) limit 20
""")

_ROOM = text("""
select (select coalesce(sum(slots), 0) from transcoder.workers
        where seen_at > now() - make_interval(secs => :fresh))
     - (select count(*) from transcoder.tasks
        where state in ('queued', 'running') and (priority <= :urgent) = :is_urgent) as room
""")

# What _PICK looks for, without its order.
_IN_DEMAND = text("""
select name from (values ('urgent', true), ('bulk', false)) queue (name, is_urgent)
where exists (
    select from transcoder.tasks
    where state = 'waiting' and tries < :max_tries and (priority <= :urgent) = queue.is_urgent
      and (not_before is null or not_before <= now()))
""")

# Rows that are locked are being claimed or given back by a worker, and are skipped.
_PICK = text("""
with next as (
    select t.task_id, t.user_id, t.cost,
           greatest(coalesce(s.finish, 0), coalesce(c.virtual, 0)) as start
    from transcoder.tasks t
    left join transcoder.shares s on s.user_id = t.user_id and s.queue = :queue
    left join transcoder.clock c on c.queue = :queue
    where t.state = 'waiting' and t.tries < :max_tries
      and (t.priority <= :urgent) = :is_urgent
      and (t.not_before is null or t.not_before <= now())
      -- What no worker may claim is never picked.
      and exists (select from transcoder.jobs o where o.video_id = t.video_id
                  and o.attempt = t.attempt and o.state in ('pending', 'running'))
    -- Of one user's videos the oldest (ids are ordered by time), so that each in turn becomes
    -- complete, and not all of them at the end. Slow extras wait for the other videos.
    order by start, t.priority > :extra, t.video_id, t.priority, t.place
    limit 1
    for update of t skip locked
), share as (
    insert into transcoder.shares (user_id, queue, finish)
    select user_id, :queue, start + cost from next
    on conflict (user_id, queue) do update set finish = excluded.finish
), tick as (
    insert into transcoder.clock (queue, virtual) select :queue, start from next
    on conflict (queue) do update
    set virtual = greatest(transcoder.clock.virtual, excluded.virtual)
)
update transcoder.tasks t
set state = 'queued', dispatch = t.dispatch + 1, queued_at = now(), worker = null
from next join transcoder.tasks u using (task_id)
     left join transcoder.jobs j on j.video_id = u.video_id
where t.task_id = next.task_id
returning t.task_id, t.dispatch, j.traceparent
""")

_CLAIM = text("""
update transcoder.tasks t
set state = 'running', worker = :worker, seen_at = now(), tries = t.tries + 1,
    progress = 0, speed = null
from transcoder.jobs j
where t.task_id = :task_id and t.dispatch = :dispatch and j.video_id = t.video_id
  and t.attempt = j.attempt and j.state in ('pending', 'running')
  and (t.state = 'queued'
       or (t.state = 'running' and :redelivered
           and t.seen_at < now() - make_interval(secs => :silent)))
returning t.task_id, t.video_id, t.user_id, t.attempt, t.kind, t.spec, t.dispatch, t.tries,
          j.plan, j.source_key, j.size, j.correlation_id, j.traceparent, t.error
""")

_UNSENT = text("""
update transcoder.tasks
set state = 'waiting',
    not_before = case when :delay > 0 then now() + make_interval(secs => :delay) else not_before end
where (task_id, dispatch) in (select * from unnest(cast(:ids as text[]), cast(:numbers as int[])))
  and state = 'queued'
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

_FORGET_WORKERS = text("""
delete from transcoder.workers where seen_at < now() - interval '1 hour'
""")

# A plan is part of a video's progress where it takes long: then it decodes the whole source, and
# the tasks that follow are not known yet.
_PROGRESS = text("""
select t.video_id, j.attempt, j.state = 'pending' as preparing,
       100 * sum(t.cost * case t.state when 'done' then 1 else t.progress end) / sum(t.cost)
           / case j.state when 'pending' then :unknown else 1 end as percent,
       sum(t.speed) filter (where t.state = 'running' and t.kind = 'video') as speed,
       min(t.worker) filter (where t.state = 'running') as worker
from transcoder.tasks t join transcoder.jobs j using (video_id, attempt)
where (j.state = 'running' or (j.state = 'pending' and t.state = 'running'))
  and (t.kind <> 'plan' or t.priority > :urgent)
group by t.video_id, j.attempt, j.state
""")


class JobProgress(msgspec.Struct, frozen=True):
    """A video's progress: percent of the planned cost, and the summed speed × real time.

    ``preparing``: it has no plan yet.
    """

    video_id: str
    attempt: int
    percent: float
    speed: float | None
    worker: str | None
    preparing: bool = False


class Scheduler:
    """The tasks table, for the coordinator and for workers. Raises SchedulerUnavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        # Each transaction is one statement: to begin and to commit would be two more.
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def expire(self) -> int:
        """Free tasks with an expired lease or a lost message; returns how many."""
        freed = await self._all(
            _EXPIRE,
            lease=LEASE_SECONDS,
            unclaimed=UNCLAIMED_SECONDS,
            lost=LOST_SECONDS,
            fresh=WORKER_SECONDS,
            urgent=URGENT_PRIORITY,
        )
        return len(freed)

    async def exhausted(self, without: Sequence[str] = ()) -> list[ExhaustedTask]:
        """Tasks that have been tried too often, but for those of the videos ``without``."""
        rows = await self._all(_EXHAUSTED, max_tries=MAX_TRIES, without=list(without))
        return [msgspec.convert(row, ExhaustedTask) for row in rows]

    async def in_demand(self) -> list[QueueName]:
        """The queues in which a task waits, the urgent one first."""
        rows = await self._all(_IN_DEMAND, max_tries=MAX_TRIES, urgent=URGENT_PRIORITY)
        found = {row["name"] for row in rows}
        names: tuple[QueueName, ...] = ("urgent", "bulk")
        return [name for name in names if name in found]

    async def pick(self, queue: QueueName, ahead: int = 1) -> list[PickedTask]:
        """Take the tasks to send now: as many as there are free slots, and ``ahead`` more."""
        urgent = {"urgent": URGENT_PRIORITY, "is_urgent": queue == "urgent"}
        room = await self._all(_ROOM, fresh=WORKER_SECONDS, **urgent)
        free = int(room[0]["room"]) + ahead
        picked: list[PickedTask] = []
        while len(picked) < free:
            rows = await self._all(
                _PICK, queue=queue, max_tries=MAX_TRIES, extra=EXTRA_PRIORITY, **urgent
            )
            if not rows:
                break
            picked.append(PickedTask(**rows[0]))
        return picked

    async def unsent(self, tasks: Sequence[PickedTask], *, delay: float = 0.0) -> None:
        """Take back picked tasks whose messages may not have been sent, for ``delay`` seconds at
        least. A worker that gets such a message first keeps its task."""
        ids, numbers = [task.task_id for task in tasks], [task.dispatch for task in tasks]
        await self._one(_UNSENT, ids=ids, numbers=numbers, delay=float(delay))

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

    async def forget_workers(self) -> None:
        """Remove workers that have been silent for an hour."""
        await self._one(_FORGET_WORKERS)

    async def progress(self) -> list[JobProgress]:
        """The progress of each running video."""
        rows = await self._all(_PROGRESS, urgent=URGENT_PRIORITY, unknown=_PREPARING_SHARE)
        return [JobProgress(**row) for row in rows]

    async def _all(self, statement: Any, **values: Any) -> list[Mapping[str, Any]]:
        async with _available(), self._engine.begin() as connection:
            result = await connection.execute(statement, values)
            return [dict(row) for row in result.mappings()]

    async def _one(self, statement: Any, **values: Any) -> bool:
        async with _available(), self._engine.begin() as connection:
            result = await connection.execute(statement, values)
            return result.rowcount > 0


@asynccontextmanager
async def _available() -> AsyncIterator[None]:
    try:
        yield
    except (DBAPIError, OSError) as error:
        raise SchedulerUnavailable("The tasks table does not answer.") from error


def wait_before(tries: int) -> float:
    """Seconds before a task is tried again: 1, 4, 16…"""
    return float(4 ** max(0, tries - 1))
