"""The table of live streams."""

from typing import Any, Final

import msgspec
from sqlalchemy import Select, delete, func, insert, select, true, update
from sqlalchemy.ext.asyncio import AsyncEngine

from services.live.row_ports import StreamRow, TooManyStreams
from services.live.rows import lock_user, transaction
from services.live.tables import plans, sessions, simulcast_targets, streams

_COLUMNS: Final = tuple(streams.c[name] for name in StreamRow.__struct_fields__)


class StreamsRepository:
    """Implements ``row_ports.StreamRows``."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, row: StreamRow, most: int) -> StreamRow:
        async with transaction(self._engine) as connection:
            await lock_user(connection, row.user_id)
            same = (await connection.execute(_select().where(streams.c.id == row.id))).one_or_none()
            if same is not None:
                return StreamRow(**same._mapping)
            count = select(func.count()).where(streams.c.user_id == row.user_id)
            if (await connection.execute(count)).scalar_one() >= most:
                raise TooManyStreams(f"You may have {most} live streams. Delete one first.")
            await connection.execute(insert(streams).values(msgspec.structs.asdict(row)))
        return row

    async def get(self, live_id: str) -> StreamRow | None:
        return await self._one(_select().where(streams.c.id == live_id))

    async def by_key(self, key_hash: str) -> StreamRow | None:
        return await self._one(_select().where(streams.c.key_hash == key_hash))

    async def of_user(self, user_id: str) -> list[StreamRow]:
        return await self._all(
            _select().where(streams.c.user_id == user_id).order_by(streams.c.created_at)
        )

    async def replace_key(self, live_id: str, key_hash: str, closing: str) -> None:
        async with transaction(self._engine) as connection:
            # A claim by the key of before has locked the row, and is seen below; or it comes later
            # and finds another hash.
            await connection.execute(
                update(streams).where(streams.c.id == live_id).values(key_hash=key_hash)
            )
            await connection.execute(
                update(sessions)
                .where(sessions.c.live_id == live_id, sessions.c.phase == "open")
                .values(closing=closing)
            )

    async def remove(self, live_id: str) -> None:
        async with transaction(self._engine) as connection:
            targets = simulcast_targets.c.live_id == live_id
            await connection.execute(delete(simulcast_targets).where(targets))
            await connection.execute(delete(plans).where(plans.c.live_id == live_id))
            await connection.execute(delete(streams).where(streams.c.id == live_id))

    async def page(self, after: str, limit: int) -> list[StreamRow]:
        later = streams.c.id > after if after else true()
        return await self._all(_select().where(later).order_by(streams.c.id).limit(limit))

    async def _one(self, statement: Select[Any]) -> StreamRow | None:
        found = await self._all(statement)
        return found[0] if found else None

    async def _all(self, statement: Select[Any]) -> list[StreamRow]:
        async with transaction(self._engine) as connection:
            rows = await connection.execute(statement)
            return [StreamRow(**row._mapping) for row in rows]


def _select() -> Select[Any]:
    return select(*_COLUMNS)
