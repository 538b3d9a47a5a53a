"""Where readings of large objects stopped, so that they go on from there."""

import time
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, and_, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.tables import unfinished_readings

# What is read again at most after a process has ended in the midst of an object.
_NOTE_BYTES: Final = 64 << 20


class Bookmark(msgspec.Struct, frozen=True):
    """``position``: in the object with this ``etag``. ``state``: of the hash of what lies before
    it, see ``resumable_sha256``."""

    etag: str
    position: int
    state: bytes


class UnfinishedReadings:
    """Those of one video's objects, by the places of their checks.

    Readings stop at ``until``, on the monotonic clock.
    """

    def __init__(self, engine: AsyncEngine, video_id: str, until: float = float("inf")) -> None:
        self._engine = engine
        self._video_id = video_id
        self._until = until
        self._noted = 0

    async def begin(self, place: str) -> Bookmark | None:
        """Where the last reading of this place stopped."""
        table = unfinished_readings
        query = select(table.c.etag, table.c.position, table.c.state).where(self._is(place))
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        self._noted = row["position"] if row else 0
        return Bookmark(**row) if row else None

    async def stops(self, place: str, now: Bookmark) -> bool:
        """Whether to stop here. Notes how far the reading is, then and from time to time."""
        late = time.monotonic() >= self._until
        if late or now.position - self._noted >= _NOTE_BYTES:
            values = msgspec.structs.asdict(now)
            statement = (
                insert(unfinished_readings)
                .values(video_id=self._video_id, place=place, **values)
                .on_conflict_do_update(index_elements=["video_id", "place"], set_=values)
            )
            async with self._engine.begin() as connection:
                await connection.execute(statement)
            self._noted = now.position
        return late

    async def finish(self, place: str) -> None:
        """Forget it: the next reading begins at the beginning."""
        async with self._engine.begin() as connection:
            await connection.execute(delete(unfinished_readings).where(self._is(place)))

    def _is(self, place: str) -> ColumnElement[bool]:
        table = unfinished_readings
        return and_(table.c.video_id == self._video_id, table.c.place == place)
