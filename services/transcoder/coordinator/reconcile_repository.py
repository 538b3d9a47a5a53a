"""The tables as the reconciliation reads and repairs them."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import exists, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.jobs.jobs import JOB_COLUMNS, JobRecord
from services.transcoder.tables import jobs, tasks

_PAGE = 1000
_STRAY = (tasks.c.state != "done") & ~exists().where(
    jobs.c.video_id == tasks.c.video_id,
    jobs.c.attempt == tasks.c.attempt,
    jobs.c.state.in_(("pending", "running")),
)


class ReconcileRepository:
    """Reads jobs in the order of the bucket's keys, and makes lost tasks again."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def all_ids(self, after: str = "") -> AsyncIterator[str]:
        """The videos of jobs after an id, in the order of the ids' bytes.

        Deleted ones are left out: only what the bucket still has of them is to be compared.
        """
        in_bytes = jobs.c.video_id.collate("C")
        while True:
            async with self._engine.connect() as connection:
                found = await connection.execute(
                    select(jobs.c.video_id)
                    .where(in_bytes > after, jobs.c.state != "deleted")
                    .order_by(in_bytes)
                    .limit(_PAGE)
                )
                page = list(found.scalars())
            for video_id in page:
                yield video_id
            if len(page) < _PAGE:
                return
            after = page[-1]

    async def find(self, video_ids: Sequence[str]) -> dict[str, JobRecord]:
        """The jobs of these videos, deleted or not, by video."""
        async with self._engine.connect() as connection:
            found = await connection.execute(
                select(*JOB_COLUMNS).where(jobs.c.video_id.in_(video_ids))
            )
            return {row["video_id"]: JobRecord(**row) for row in found.mappings()}

    async def tasks(self, job: JobRecord) -> dict[str, str]:
        """The states of an attempt's tasks, by task id."""
        async with self._engine.connect() as connection:
            found = await connection.execute(
                select(tasks.c.task_id, tasks.c.state).where(
                    tasks.c.video_id == job.video_id, tasks.c.attempt == job.attempt
                )
            )
            return {row.task_id: row.state for row in found}

    async def stray_tasks(self) -> list[str]:
        """The ids of open tasks that belong to no open job's current attempt."""
        async with self._engine.connect() as connection:
            found = await connection.execute(
                select(tasks.c.task_id).where(_STRAY).order_by(tasks.c.task_id)
            )
            return list(found.scalars())

    async def remove_stray_tasks(self) -> None:
        """Delete those tasks."""
        async with self._engine.begin() as connection:
            await connection.execute(tasks.delete().where(_STRAY))

    async def requeue(self, rows: Sequence[dict[str, Any]]) -> None:
        """Insert tasks that are missing, and make those that are done wait again."""
        statement = insert(tasks).on_conflict_do_update(
            index_elements=["task_id"],
            set_={"state": "waiting", "worker": None},
            where=tasks.c.state == text("'done'"),
        )
        async with self._engine.begin() as connection:
            await connection.execute(statement, list(rows))

    async def republish(self, job: JobRecord) -> None:
        """Let the coordinator publish the playlists again."""
        async with self._engine.begin() as connection:
            await connection.execute(
                jobs.update()
                .where(jobs.c.video_id == job.video_id, jobs.c.attempt == job.attempt)
                .values(changes=jobs.c.changes + 1)
            )
