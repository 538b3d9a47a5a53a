"""The tables of the scrub: how far it is, and which objects it suspects."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec
from sqlalchemy import (
    ColumnElement,
    Executable,
    and_,
    case,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.coordinator.unfinished_readings import UnfinishedReadings
from services.transcoder.tables import jobs, scrubs, suspect_objects, unfinished_readings

# Jobs whose objects are to stay as they are.
SCRUBBED_STATES = ("completed", "failed", "cancelled")


class BegunScrub(msgspec.Struct, frozen=True):
    """A video that is being scrubbed, or is to be next.

    ``place``: the last check that was made, for ``version`` of the stream; None before the first.
    """

    video_id: str
    version: int | None
    place: str | None


class Suspect(msgspec.Struct, frozen=True):
    """An object that was not as it should be in ``reads`` readings."""

    video_id: str
    key: str
    reads: int


class ScrubRepository:
    """Where the scrub is, by video."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def next_video(self, pause: timedelta, without: Sequence[str] = ()) -> BegunScrub | None:
        """The video that is being scrubbed, or else the one whose last scrub is longest ago."""
        query = (
            select(jobs.c.video_id, scrubs.c.version, scrubs.c.place)
            .select_from(jobs.outerjoin(scrubs, scrubs.c.video_id == jobs.c.video_id))
            .where(
                jobs.c.state.in_(SCRUBBED_STATES),
                jobs.c.video_id.not_in(without),
                or_(
                    scrubs.c.scrubbed_at.is_(None),
                    scrubs.c.place.is_not(None),
                    scrubs.c.scrubbed_at < func.now() - pause,
                ),
            )
            .order_by(
                case((scrubs.c.place.is_not(None), 0), else_=1),
                scrubs.c.scrubbed_at.asc().nulls_first(),
                jobs.c.video_id,
            )
            .limit(1)
        )
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        return BegunScrub(**row) if row else None

    async def reached(self, video_id: str, version: int, place: str) -> None:
        """Note the last check that was made."""
        values = {"version": version, "place": place}
        await self._write(
            insert(scrubs)
            .values(video_id=video_id, **values)
            .on_conflict_do_update(index_elements=["video_id"], set_=values)
        )

    async def finished(self, video_id: str, version: int) -> None:
        """Note that all objects of a video were checked."""
        values = {"version": version, "place": None, "scrubbed_at": func.now()}
        await self._write(
            insert(scrubs)
            .values(video_id=video_id, **values)
            .on_conflict_do_update(index_elements=["video_id"], set_=values)
        )

    def unfinished(self, video_id: str, until: float = float("inf")) -> UnfinishedReadings:
        """How far the readings of a video's objects are; they stop at ``until``."""
        return UnfinishedReadings(self._engine, video_id, until)

    async def suspect(self, video_id: str, key: str, again: timedelta) -> int:
        """Count a reading that found an object wrong; returns how many there were.

        One that is known to be damaged for good is not read again by itself.
        """
        statement = (
            insert(suspect_objects)
            .values(video_id=video_id, key=key, reads=1, due_at=func.now() + again)
            .on_conflict_do_update(
                index_elements=["video_id", "key"],
                set_={
                    # What is read before its pause is over is no reading of its own.
                    "reads": case(
                        (suspect_objects.c.due_at > func.now(), suspect_objects.c.reads),
                        else_=suspect_objects.c.reads + 1,
                    ),
                    "due_at": case(
                        (suspect_objects.c.due_at.is_not(None), func.now() + again), else_=None
                    ),
                },
            )
            .returning(suspect_objects.c.reads)
        )
        async with self._engine.begin() as connection:
            return int((await connection.execute(statement)).scalar_one())

    async def due_suspects(self, limit: int) -> list[Suspect]:
        """Suspected objects that are to be read again now."""
        query = (
            select(suspect_objects.c.video_id, suspect_objects.c.key, suspect_objects.c.reads)
            .where(suspect_objects.c.due_at <= func.now())
            .order_by(suspect_objects.c.due_at)
            .limit(limit)
        )
        async with self._engine.connect() as connection:
            found = await connection.execute(query)
            return [Suspect(**row) for row in found.mappings()]

    async def cleared(self, video_id: str, key: str) -> None:
        """An object is as it should be, is being made again, or no longer belongs to a video."""
        await self._write(delete(suspect_objects).where(_is(video_id, key)))

    async def postponed(self, video_id: str, key: str, again: timedelta) -> None:
        """Read a suspected object again later, without counting."""
        await self._write(
            update(suspect_objects).where(_is(video_id, key)).values(due_at=func.now() + again)
        )

    async def irreparable(self, video_id: str, key: str) -> bool:
        """Note an object that cannot be made again; whether that was not known."""
        statement = (
            insert(suspect_objects)
            .values(video_id=video_id, key=key, reads=1, due_at=None)
            .on_conflict_do_update(
                index_elements=["video_id", "key"],
                set_={"due_at": None},
                where=suspect_objects.c.due_at.is_not(None),
            )
            .returning(suspect_objects.c.key)
        )
        async with self._engine.begin() as connection:
            return (await connection.execute(statement)).first() is not None

    async def count_irreparable(self) -> int:
        """How many objects are damaged for good."""
        query = select(func.count()).where(suspect_objects.c.due_at.is_(None))
        async with self._engine.connect() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def irreparable_of(self, video_id: str) -> list[str]:
        """The keys of a video's objects that are damaged for good."""
        query = select(suspect_objects.c.key).where(
            suspect_objects.c.video_id == video_id, suspect_objects.c.due_at.is_(None)
        )
        async with self._engine.connect() as connection:
            return list((await connection.execute(query)).scalars())

    async def forget_deleted(self) -> None:
        """Forget the videos that are deleted."""
        gone = select(jobs.c.video_id).where(jobs.c.state == "deleted")
        await self._write(delete(suspect_objects).where(suspect_objects.c.video_id.in_(gone)))
        await self._write(delete(scrubs).where(scrubs.c.video_id.in_(gone)))
        readings = unfinished_readings
        await self._write(delete(readings).where(readings.c.video_id.in_(gone)))

    async def _write(self, statement: Executable) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(statement)


def _is(video_id: str, key: str) -> ColumnElement[bool]:
    return and_(suspect_objects.c.video_id == video_id, suspect_objects.c.key == key)
