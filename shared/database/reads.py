"""Reads that cost one round trip: prepared statements of asyncpg, outside transactions."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import asyncpg
import msgspec

from shared.database.connect import POOL_SECONDS, QUICK_SECONDS, Silence, create_pool
from shared.database.metrics import statement_span
from shared.database_sessions import limit_transactions
from shared.errors import Unavailable

Record = Mapping[str, Any]
"""A row; the values of its columns by name, those of jsonb decoded."""

# Less than a client waits: see ``STATEMENT_SECONDS``.
_SESSION: Final = {"statement_timeout": f"{int(QUICK_SECONDS) - 1}s"}
# What is raised where the connection has ended, or does not answer. A statement that the server
# cancelled (QueryCanceledError) is not asked again.
LOST: Final = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.IdleSessionTimeoutError,
)


class Reads:
    """Asks the database without changing anything.

    No connection is asked whether it is alive before it is used: a statement whose connection has
    ended, or does not answer in ``QUICK_SECONDS``, is asked once more over another one.
    """

    def __init__(
        self, pool: "asyncpg.Pool[asyncpg.Record]", *, pool_seconds: float = POOL_SECONDS
    ) -> None:
        self._pool = pool
        self._pool_seconds = pool_seconds

    async def rows(self, statement: str, *values: Any) -> Sequence[Record]:
        """The rows of a statement; it is prepared once for each connection.

        Raises Unavailable where no connection becomes free in ``pool_seconds``.
        """
        with statement_span(statement):
            try:
                return await self._ask(statement, values)
            except LOST:
                # The others are as old, and would be found out one after the other.
                await self._pool.expire_connections()
                return await self._ask(statement, values)

    async def row(self, statement: str, *values: Any) -> Record | None:
        """The first row of a statement; None if there is none."""
        found = await self.rows(statement, *values)
        return found[0] if found else None

    async def _ask(self, statement: str, values: Sequence[Any]) -> Sequence[Record]:
        connection = await self._connection()
        try:
            rows: Any = await connection.fetch(statement, *values)
            return rows
        finally:
            await self._pool.release(connection)

    async def _connection(self) -> Any:
        try:
            # The pool's own limit costs a task for each read.
            async with asyncio.timeout(self._pool_seconds):
                return await self._pool.acquire()
        except OSError as error:
            raise Unavailable("The database does not answer.") from error


async def create_read_pool(
    url: str,
    *,
    size: int,
    answer_seconds: float = QUICK_SECONDS,
    silence: Silence | None = None,
    session: Mapping[str, str] | None = None,
) -> "asyncpg.Pool[asyncpg.Record]":
    """A pool for ``Reads``. ``session``: settings of its sessions besides."""
    return await create_pool(
        url,
        size=size,
        answer_seconds=answer_seconds,
        silence=silence,
        session=_SESSION | dict(session or {}),
        prepare=_prepare,
    )


async def _prepare(connection: Any) -> None:
    await limit_transactions(connection)
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_encoded, decoder=msgspec.json.decode
    )


def _encoded(value: Any) -> str:
    return msgspec.json.encode(value).decode()
