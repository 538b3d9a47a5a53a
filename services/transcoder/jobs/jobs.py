"""The jobs table as the coordinator and the job routes use it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Select, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.tables import jobs


class JobRecord(msgspec.Struct, frozen=True):
    """A row of the jobs table, without the plan."""

    video_id: str
    user_id: str
    attempt: int
    state: str
    changes: int
    correlation_id: str | None
    traceparent: str | None
    size: int = 0
    source_key: str = ""


JOB_COLUMNS: Final = [jobs.c[name] for name in JobRecord.__struct_fields__]


class JobRepository:
    """The jobs table."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, video_id: str) -> JobRecord | None:
        """A job that is not deleted."""
        async with self._engine.connect() as connection:
            found = await connection.execute(
                select(*JOB_COLUMNS).where(jobs.c.video_id == video_id, jobs.c.state != "deleted")
            )
            row = found.mappings().one_or_none()
        return JobRecord(**row) if row else None

    async def to_publish(self, limit: int, without: Sequence[str] = ()) -> list[JobRecord]:
        """Running jobs with changes that the playlists do not show, those not playable first."""
        return await self._rows(
            select(*JOB_COLUMNS)
            .where(
                jobs.c.changes > jobs.c.published,
                jobs.c.state == "running",
                jobs.c.video_id.not_in(without),
            )
            .order_by(jobs.c.playable, jobs.c.video_id)
            .limit(limit)
        )

    async def published(self, job: JobRecord) -> None:
        """Note that the playlists show all changes that ``job`` had when it was read."""
        async with self._engine.begin() as connection:
            await connection.execute(
                update(jobs)
                .where(jobs.c.video_id == job.video_id, jobs.c.attempt == job.attempt)
                .values(published=job.changes)
            )

    async def to_sweep(self, limit: int, without: Sequence[str] = ()) -> list[JobRecord]:
        """Jobs that have ended and whose unused objects may be deleted now."""
        return await self._rows(
            select(*JOB_COLUMNS)
            .where(
                jobs.c.clean_at <= func.now(),
                jobs.c.state.not_in(("pending", "running")),
                jobs.c.video_id.not_in(without),
            )
            .limit(limit)
        )

    async def swept(self, job: JobRecord) -> None:
        """Note that the unused objects are deleted."""
        await self._set(job, clean_at=None)

    async def to_compact(self, limit: int, without: Sequence[str] = ()) -> list[JobRecord]:
        """Completed jobs whose objects may be joined now, after unused ones are deleted.

        The newest first: after an upgrade all videos may be due.
        """
        return await self._rows(
            select(*JOB_COLUMNS)
            .where(
                jobs.c.compact_at <= func.now(),
                jobs.c.clean_at.is_(None),
                jobs.c.state == "completed",
                jobs.c.video_id.not_in(without),
            )
            .order_by(jobs.c.compact_at.desc())
            .limit(limit)
        )

    async def compact_later(self, job: JobRecord, seconds: float) -> None:
        """Postpone compaction by ``seconds``, because an object is missing."""
        await self._set(job, compact_at=func.now() + timedelta(seconds=seconds))

    async def compacted(self, job: JobRecord) -> None:
        """Note that there is nothing left to join."""
        await self._set(job, compact_at=None)

    async def to_drop(self, limit: int, without: Sequence[str] = ()) -> list[JobRecord]:
        """Completed jobs whose replaced objects may be deleted now."""
        return await self._rows(
            select(*JOB_COLUMNS)
            .where(
                jobs.c.drop_at <= func.now(),
                jobs.c.state == "completed",
                jobs.c.video_id.not_in(without),
            )
            .order_by(jobs.c.drop_at)
            .limit(limit)
        )

    async def dropped(self, job: JobRecord) -> None:
        """Note that the replaced objects are deleted."""
        await self._set(job, drop_at=None)

    async def _set(self, job: JobRecord, **values: Any) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(
                update(jobs)
                .where(
                    jobs.c.video_id == job.video_id,
                    jobs.c.attempt == job.attempt,
                    jobs.c.state == job.state,
                )
                .values(**values)
            )

    async def ping(self) -> None:
        """Return where the database answers."""
        async with self._engine.connect() as connection:
            await connection.execute(text("select 1"))

    async def _rows(self, statement: Select[Any]) -> list[JobRecord]:
        async with self._engine.connect() as connection:
            found = await connection.execute(statement)
            return [JobRecord(**row) for row in found.mappings()]
