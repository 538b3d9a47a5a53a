"""What the leading coordinator measures: its own actions, and the jobs and tasks still open."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.handlers import AttemptMetrics
from services.transcoder.scheduler.tasks import URGENT_PRIORITY, WORKER_SECONDS
from shared.loops.items import ItemMetrics

# Open rows only: they are few, however many videos there are.
_JOBS: Final = text("""
select state, count(*) as jobs from transcoder.jobs
where state in ('pending', 'running') group by state
""")
_TASKS: Final = text("""
select case when priority <= :urgent then 'urgent' else 'bulk' end as queue, state,
       count(*) as tasks,
       coalesce(extract(epoch from now() - min(queued_at) filter (where state = 'queued')), 0)
           as oldest_seconds
from transcoder.tasks where state <> 'done' group by 1, 2
""")
_SLOTS: Final = text("""
select coalesce(sum(slots), 0) as slots from transcoder.workers
where seen_at between now() - make_interval(secs => :fresh)
                  and now() + make_interval(secs => :fresh)
""")
_DELETIONS: Final = text("select held, count(*) as entries from transcoder.deletions group by 1")


class CoordinatorMetrics:
    """Counters of the coordinator's actions, and gauges of the open work."""

    def __init__(self, engine: AsyncEngine, registry: CollectorRegistry) -> None:
        self.dispatched = Counter(
            "cinelog_transcode_dispatched", "Tasks sent.", ["queue"], registry=registry
        )
        self.expired = Counter(
            "cinelog_transcode_expired", "Tasks taken back from silence.", registry=registry
        )
        self.playable = Histogram(
            "cinelog_time_to_playable_seconds",
            "Seconds from an upload's last byte until the video can be played.",
            buckets=(0.5, 1, 2, 3, 5, 8, 12, 20, 30, 60, 120, 300, 900, 3600),
            registry=registry,
        )
        self.failed_repairs = Counter(
            "cinelog_transcode_failed_repairs",
            "Repairs of lost media that failed; the videos stay as they were.",
            registry=registry,
        )
        self.faults = Counter(
            "cinelog_transcode_result_faults",
            "Results that did not agree with their plan, by what was wrong.",
            ["code"],
            registry=registry,
        )
        self.attempts = AttemptMetrics(registry)
        self.deletions = Counter(
            "cinelog_deletions",
            "Entries of the list of deletions, by what became of them.",
            ["outcome"],
            registry=registry,
        )
        self.items = ItemMetrics(registry)
        self.scrub = ScrubMetrics(registry)
        self.open = OpenWorkMetrics(engine, registry)


class ScrubMetrics:
    """What the scrub reads, and what it finds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.bytes = Counter(
            "cinelog_scrub_bytes", "Bytes read and compared by the scrub.", registry=registry
        )
        self.checks = Counter(
            "cinelog_scrub_checks",
            "Readings of the scrub, by what they found.",
            ["verdict"],
            registry=registry,
        )
        self.damaged = Counter(
            "cinelog_scrub_damaged",
            "Damaged objects, by whether they are made again or lost.",
            ["outcome"],
            registry=registry,
        )
        self.irreparable = Gauge(
            "cinelog_scrub_irreparable",
            "Objects that are damaged and cannot be made again.",
            registry=registry,
        )


class OpenWorkMetrics:
    """Gauges of open jobs and tasks. A process that does not lead shows none."""

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
            "Age of the oldest message that no worker has taken.",
            ["queue"],
            registry=registry,
        )
        self._deletions = Gauge(
            "cinelog_deletions_listed",
            "Entries of the list of deletions, by whether they wait or are held back.",
            ["state"],
            registry=registry,
        )
        self._slots = Gauge(
            "cinelog_transcode_slots",
            "Tasks of each queue that live workers do at a time.",
            registry=registry,
        )

    async def refresh(self) -> bool:
        """Set all gauges from the tables; returns whether any job is open."""
        async with self._engine.connect() as connection:
            jobs = (await connection.execute(_JOBS)).mappings().all()
            tasks = (await connection.execute(_TASKS, {"urgent": URGENT_PRIORITY})).mappings().all()
            listed = {row.held: row.entries for row in await connection.execute(_DELETIONS)}
            slots = (await connection.execute(_SLOTS, {"fresh": WORKER_SECONDS})).scalar_one()
        counts = {row["state"]: row["jobs"] for row in jobs}
        for state in ("pending", "running"):
            self._jobs.labels(state).set(counts.get(state, 0))
        self._set_tasks(tasks)
        self._slots.set(int(slots))
        for held, state in ((False, "waiting"), (True, "held")):
            self._deletions.labels(state).set(listed.get(held, 0))
        return bool(counts)

    def _set_tasks(self, rows: Iterable[Mapping[Any, Any]]) -> None:
        counts: dict[tuple[str, str], int] = {}
        oldest: dict[str, float] = {}
        for row in rows:
            queue = row["queue"]
            counts[queue, row["state"]] = row["tasks"]
            oldest[queue] = max(oldest.get(queue, 0.0), float(row["oldest_seconds"]))
        for queue in ("urgent", "bulk"):
            for state in ("waiting", "queued", "running"):
                self._tasks.labels(queue, state).set(counts.get((queue, state), 0))
            self._oldest.labels(queue).set(oldest.get(queue, 0.0))

    def clear(self) -> None:
        """Remove the gauges, because this process no longer leads."""
        for gauge in (self._jobs, self._tasks, self._oldest, self._deletions):
            gauge.clear()
        self._slots.set(0)
