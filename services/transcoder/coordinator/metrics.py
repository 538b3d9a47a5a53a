"""How much there is to do: jobs and tasks by state, as the leading planner sees them."""

from typing import Any, Final

from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.scheduler import URGENT_PRIORITY, WORKER_SECONDS

# Only what is open: there are few of them, whatever the number of videos.
_JOBS: Final = text("""
select state, count(*) from transcoder.jobs where state in ('pending', 'running') group by state
""")
_TASKS: Final = text("""
select priority <= :urgent as urgent, state, count(*),
       coalesce(extract(epoch from now() - min(queued_at) filter (where state = 'queued')), 0)
from transcoder.tasks where state <> 'done' group by 1, 2
""")
_SLOTS: Final = text("""
select coalesce(sum(slots), 0) from transcoder.workers
where seen_at > now() - make_interval(secs => :fresh)
""")


class OpenWork:
    """Gauges of open jobs and tasks. Empty where this process does not lead."""

    def __init__(self, engine: AsyncEngine, registry: CollectorRegistry) -> None:
        self._engine = engine
        self._jobs = Gauge(
            "cinelog_transcode_jobs", "Open jobs, by state.", ["state"], registry=registry
        )
        self._tasks = Gauge(
            "cinelog_transcode_open_tasks",
            "Open tasks, by queue and state.",
            ["queue", "state"],
            registry=registry,
        )
        self._oldest = Gauge(
            "cinelog_transcode_oldest_queued_seconds",
            "Since when the oldest message that no worker has taken has been in its queue.",
            ["queue"],
            registry=registry,
        )
        self._slots = Gauge(
            "cinelog_transcode_slots",
            "Tasks of each queue that live workers do at a time.",
            registry=registry,
        )

    async def look(self) -> None:
        """Bring the gauges up to date."""
        async with self._engine.connect() as connection:
            jobs = (await connection.execute(_JOBS)).all()
            tasks = (await connection.execute(_TASKS, {"urgent": URGENT_PRIORITY})).all()
            slots = (await connection.execute(_SLOTS, {"fresh": WORKER_SECONDS})).scalar_one()
        found: dict[str, int] = {state: count for state, count in jobs}  # noqa: C416 - rows
        for state in ("pending", "running"):
            self._jobs.labels(state).set(found.get(state, 0))
        self._show_tasks(tasks)
        self._slots.set(int(slots))

    def _show_tasks(self, rows: Any) -> None:
        counts: dict[tuple[str, str], int] = {}
        oldest: dict[str, float] = {}
        for urgent, state, count, age in rows:
            queue = "urgent" if urgent else "bulk"
            counts[queue, state] = count
            oldest[queue] = max(oldest.get(queue, 0.0), float(age))
        for queue in ("urgent", "bulk"):
            for state in ("waiting", "queued", "running"):
                self._tasks.labels(queue, state).set(counts.get((queue, state), 0))
            self._oldest.labels(queue).set(oldest.get(queue, 0.0))

    def forget(self) -> None:
        """Another process leads now."""
        for gauge in (self._jobs, self._tasks, self._oldest):
            gauge.clear()
        self._slots.set(0)
