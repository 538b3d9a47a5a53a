"""Dispatches tasks in fair order, and recovers lost ones.

Start-time fair queueing (Goyal, Vin, Cheng 1996): each user has a virtual finish time. A task's
start is max(the queue's clock, its user's finish time). The task with the earliest start is next,
and its cost is added to the user's finish time. So a user with one video does not wait for another
user's hundred, and an idle user saves up no claim.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import TextClause, text

from services.transcoder.scheduler.tasks import (
    LEASE_SECONDS,
    LONGEST_WAIT_SECONDS,
    MAX_TRIES,
    URGENT_PRIORITY,
    WORKER_SECONDS,
    QueueName,
    TaskError,
    TaskTable,
)

# Tasks above this priority, such as other codecs, wait for the user's other videos.
EXTRA_PRIORITY: Final = 2

# A task whose message no worker has taken for so long is dispatched again: the message may wait
# behind long tasks. Where a worker has a free slot, nothing is before it, and it is lost much
# sooner. The message of an earlier dispatch is worthless, so a mistake costs only a message.
UNCLAIMED_SECONDS: Final = 60.0
LOST_SECONDS: Final = 10.0
# How many times the cost of a plan that takes long its video is assumed to cost in all.
_PREPARING_SHARE: Final = 4.0


class PickedTask(msgspec.Struct, frozen=True):
    """A task to send. ``dispatch`` is the number of this dispatch of the task."""

    task_id: str
    dispatch: int
    traceparent: str | None


class ExhaustedTask(msgspec.Struct, frozen=True):
    """A task that has been tried too often, with the error of its last try that reported one."""

    task_id: str
    video_id: str
    attempt: int
    error: TaskError | None


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


# What is later than now was written before the clock was set back, and counts as long ago.
_EXPIRE = text("""
with capacity as (
    select coalesce(sum(slots), 0) as slots from transcoder.workers
    where seen_at between now() - make_interval(secs => :fresh)
                      and now() + make_interval(secs => :fresh)
), queues as (
    select is_urgent, (select slots from capacity) > (
        select count(*) from transcoder.tasks
        where state = 'running' and (priority <= :urgent) = is_urgent) as has_room
    from (values (true), (false)) each_queue (is_urgent)
)
update transcoder.tasks t set state = 'waiting', worker = null
from queues q
where q.is_urgent = (t.priority <= :urgent)
  and ((t.state = 'running' and t.seen_at not between now() - make_interval(secs => :lease)
                                                  and now() + make_interval(secs => :lease))
       or (t.state = 'queued'
           and (t.queued_at > now() + make_interval(secs => :unclaimed)
                or t.queued_at < now() - make_interval(
                    secs => case when q.has_room then cast(:lost as double precision)
                                 else cast(:unclaimed as double precision) end))))
returning t.task_id
""")

_EXHAUSTED = text("""
select task_id, video_id, attempt, error from transcoder.tasks
where state = 'waiting' and tries >= :max_tries and video_id <> all(:without) limit 20
""")

_ROOM = text("""
select (select coalesce(sum(slots), 0) from transcoder.workers
        where seen_at between now() - make_interval(secs => :fresh)
                          and now() + make_interval(secs => :fresh))
     - (select count(*) from transcoder.tasks
        where state in ('queued', 'running') and (priority <= :urgent) = :is_urgent) as room
""")

# What _PICK looks for, without its order.
_IN_DEMAND = text("""
select name from (values ('urgent', true), ('bulk', false)) queue (name, is_urgent)
where exists (
    select from transcoder.tasks
    where state = 'waiting' and tries < :max_tries and (priority <= :urgent) = queue.is_urgent
      and (not_before is null or not_before <= now()
           or not_before > now() + make_interval(secs => :longest)))
""")

# Each user's next tasks are the first entries of an index, so that it does not matter how many
# wait. Rows that are locked are being claimed or given back by a worker, and are skipped. Two of
# each user, or the lock of one would keep all of the user's others from being picked.
_PICK = """
with recursive users (user_id) as (
    (select user_id from transcoder.tasks t where {of_queue} order by user_id limit 1)
    union all
    select (select t.user_id from transcoder.tasks t
            where {of_queue} and t.user_id > users.user_id order by t.user_id limit 1)
    from users where users.user_id is not null
), candidates as (
    select candidate.*, greatest(coalesce(s.finish, 0), coalesce(c.virtual, 0)) as start
    from users cross join lateral (
        select t.task_id, t.user_id, {is_extra} as is_extra, t.video_id, t.priority, t.place
        from transcoder.tasks t
        where t.user_id = users.user_id and {of_queue} and t.tries < :max_tries
          and (t.not_before is null or t.not_before <= now()
               or t.not_before > now() + make_interval(secs => :longest))
          -- What no worker may claim is never picked.
          and exists (select from transcoder.jobs o where o.video_id = t.video_id
                      and o.attempt = t.attempt and o.state in ('pending', 'running'))
        -- Of one user's videos the oldest (ids are ordered by time), so that each in turn becomes
        -- complete, and not all of them at the end. Slow extras wait for the other videos.
        order by {is_extra}, t.video_id, t.priority, t.place limit 2
    ) candidate
    left join transcoder.shares s on s.user_id = candidate.user_id and s.queue = :queue
    left join transcoder.clock c on c.queue = :queue
), next as (
    select t.task_id, t.user_id, t.cost, o.start
    from candidates o join transcoder.tasks t using (task_id)
    where t.state = 'waiting'
    order by o.start, o.is_extra, o.video_id, o.priority, o.place
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
"""


def _pick(urgent: str) -> TextClause:
    # Numbers and not values: the conditions of the indexes have them.
    return text(
        _PICK.format(
            of_queue=f"t.state = 'waiting' and t.priority {urgent} {URGENT_PRIORITY}",
            is_extra=f"(t.priority > {EXTRA_PRIORITY})",
        )
    )


_PICKS: Final[dict[QueueName, TextClause]] = {"urgent": _pick("<="), "bulk": _pick(">")}


_UNSENT = text("""
update transcoder.tasks
set state = 'waiting', not_before = now() + make_interval(secs => :delay)
where (task_id, dispatch) in (select * from unnest(cast(:ids as text[]), cast(:numbers as int[])))
  and state = 'queued'
""")

_FORGET_WORKERS = text("""
delete from transcoder.workers
where seen_at not between now() - interval '1 hour' and now() + interval '1 hour'
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


class Dispatcher(TaskTable):
    """The coordinator's side of the tasks table."""

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
        rows = await self._all(
            _IN_DEMAND, max_tries=MAX_TRIES, urgent=URGENT_PRIORITY, longest=LONGEST_WAIT_SECONDS
        )
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
                _PICKS[queue], queue=queue, max_tries=MAX_TRIES, longest=LONGEST_WAIT_SECONDS
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

    async def forget_workers(self) -> None:
        """Remove workers that have been silent for an hour."""
        await self._one(_FORGET_WORKERS)

    async def progress(self) -> list[JobProgress]:
        """The progress of each running video."""
        rows = await self._all(_PROGRESS, urgent=URGENT_PRIORITY, unknown=_PREPARING_SHARE)
        return [JobProgress(**row) for row in rows]
