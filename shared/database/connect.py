"""Engines and pools from a ``postgresql://`` URL, with a limit on every wait."""

from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import asyncpg
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from shared.database.metrics import trace_statements
from shared.database_sessions import POOLED_SECONDS, SESSION

T = TypeVar("T")

# Seconds that the server has to accept a connection, to answer a statement, and that a caller
# waits for a connection of the pool.
CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 15.0
_POOL_SECONDS: Final = 10.0


def create_engine(
    url: str, *, size: int = 5, answer_seconds: float | None = ANSWER_SECONDS
) -> AsyncEngine:
    """A SQLAlchemy engine over asyncpg with at most ``2 * size`` connections.

    A statement that takes longer than ``answer_seconds`` raises TimeoutError, and all connections
    of the pool are replaced: a connection can go silent without being closed, and then the pool's
    others have too. Commands that work on whole tables pass None.
    """
    engine = create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://", 1),
        pool_size=size,
        max_overflow=size,
        pool_pre_ping=True,
        pool_timeout=_POOL_SECONDS,
        connect_args={
            "timeout": CONNECT_SECONDS,
            "command_timeout": answer_seconds,
            # A connection of this pool that the server has ended is replaced when it is taken.
            # What works on whole tables may think for long between two statements.
            "server_settings": {} if answer_seconds is None else SESSION,
        },
    )
    trace_statements(engine)
    event.listen(engine.sync_engine, "handle_error", _silence_is_a_disconnect)
    return engine


def _silence_is_a_disconnect(failure: Any) -> None:
    """A handler of SQLAlchemy's: the connection must not be used after a timeout."""
    if isinstance(failure.original_exception, TimeoutError):
        failure.is_disconnect = True


async def create_pool(
    url: str, *, size: int = 5, answer_seconds: float = ANSWER_SECONDS
) -> "asyncpg.Pool[asyncpg.Record]":
    """An asyncpg pool for the append path and LISTEN, which do not use SQLAlchemy.

    A statement that takes longer than ``answer_seconds`` raises TimeoutError.
    """
    return await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=size,
        timeout=CONNECT_SECONDS,
        command_timeout=answer_seconds,
        max_inactive_connection_lifetime=POOLED_SECONDS,
        connection_class=_BoundedConnection,
        server_settings=SESSION,
        reset=_keep_session,
    )


class _BoundedConnection(asyncpg.Connection):  # type: ignore[type-arg]
    """A connection that is closed after a statement timed out.

    asyncpg asks the server to cancel the statement, and waits for the answer before the connection
    is used or released again. A silent server never answers.
    """

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        return await self._bounded(super().execute(query, *args, timeout=timeout))

    async def executemany(self, command: str, args: Any, *, timeout: float | None = None) -> None:
        await self._bounded(super().executemany(command, args, timeout=timeout))

    async def fetch(self, *args: Any, **options: Any) -> Any:
        return await self._bounded(super().fetch(*args, **options))

    async def fetchval(self, *args: Any, **options: Any) -> Any:
        return await self._bounded(super().fetchval(*args, **options))

    async def fetchrow(self, *args: Any, **options: Any) -> Any:
        return await self._bounded(super().fetchrow(*args, **options))

    async def _bounded(self, answer: Coroutine[Any, Any, T]) -> T:
        try:
            return await answer
        except TimeoutError:
            self.terminate()
            raise


async def _keep_session(_connection: object) -> None:
    """Skip the round trip that resets a released session: no code changes session state."""
