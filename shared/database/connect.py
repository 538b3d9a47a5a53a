"""Engines and pools from a ``postgresql://`` URL, with a limit on every wait."""

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from shared.database.connection import connection_class
from shared.database.metrics import trace_statements
from shared.database_sessions import POOLED_SECONDS, SESSION, limit_transactions

# Seconds that the server has to accept a connection, to answer a statement, and that a caller
# waits for a connection of the pool.
CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 15.0
# The same for statements that find one row by its key, and that others wait for.
QUICK_SECONDS: Final = 5.0
POOL_SECONDS: Final = 10.0
# Seconds that an unused connection has to show that it is alive, on a busy machine too.
PING_SECONDS: Final = 5.0
_FRESH: Final = "fresh"
_OPENED: Final = "opened"


class Silence:
    """Tells the pools of a process that a connection to the database has gone silent.

    The others have then, too. Each pool would find that out by itself, one statement and one limit
    of a wait after the other.
    """

    def __init__(self) -> None:
        self._pools: list[asyncpg.Pool[asyncpg.Record]] = []
        self._found_at = -math.inf
        self._telling: set[asyncio.Task[None]] = set()

    def add(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Let ``pool`` replace its connections when one is found silent."""
        self._pools.append(pool)

    def found(self) -> None:
        """A statement was not answered in time."""
        self._found_at = time.monotonic()
        for pool in self._pools:
            task = asyncio.get_running_loop().create_task(pool.expire_connections())
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    def since(self, opened_at: float) -> bool:
        """Whether a connection was found silent after ``opened_at``, by the steady clock."""
        return opened_at <= self._found_at


def create_engine(
    url: str,
    *,
    size: int = 5,
    answer_seconds: float | None = ANSWER_SECONDS,
    silence: Silence | None = None,
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
        pool_timeout=POOL_SECONDS,
        connect_args={
            "timeout": CONNECT_SECONDS,
            "command_timeout": answer_seconds,
            "connection_class": connection_class(silence.found if silence else lambda: None),
            # A connection of this pool that the server has ended is replaced when it is taken.
            # What works on whole tables may think for long between two statements.
            "server_settings": {} if answer_seconds is None else SESSION,
        },
    )
    trace_statements(engine)
    _check_at_checkout(engine, silence, limited=answer_seconds is not None)

    def silence_is_a_disconnect(failure: Any) -> None:
        """The connection must not be used after a timeout."""
        if isinstance(failure.original_exception, TimeoutError):
            failure.is_disconnect = True
            if silence is not None:
                silence.found()

    event.listen(engine.sync_engine, "handle_error", silence_is_a_disconnect)
    return engine


def _check_at_checkout(engine: AsyncEngine, silence: Silence | None, *, limited: bool) -> None:
    """Ask each connection for an answer when it is taken from the pool. ``limited``: transactions.

    SQLAlchemy's own check does not count silence as an end: it would wait for each connection of
    the pool in turn, as long as for a statement.
    """

    def connected(connection: Any, record: Any) -> None:
        record.info[_FRESH] = True
        record.info[_OPENED] = time.monotonic()
        if limited:
            connection.run_async(limit_transactions)

    def taken(connection: Any, record: Any, _proxy: Any) -> None:
        if record.info.pop(_FRESH, False):
            return
        if silence is not None and silence.since(record.info[_OPENED]):
            raise InvalidatePoolError("another connection does not answer")
        try:
            connection.run_async(_ping)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if isinstance(error, TimeoutError) and silence is not None:
                silence.found()
            # Caught by the pool, which opens another; all that are as old are replaced, too.
            raise InvalidatePoolError("the connection does not answer") from error

    event.listen(engine.sync_engine, "connect", connected)
    event.listen(engine.sync_engine, "checkout", taken)


async def _ping(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await connection.fetchrow(";", timeout=PING_SECONDS)


async def create_pool(
    url: str,
    *,
    size: int = 5,
    answer_seconds: float = ANSWER_SECONDS,
    silence: Silence | None = None,
    session: Mapping[str, str] | None = None,
    prepare: Callable[[Any], Any] = limit_transactions,
) -> "asyncpg.Pool[asyncpg.Record]":
    """An asyncpg pool for appends, LISTEN and frequent reads, which do not use SQLAlchemy.

    ``session``: settings of its sessions besides. ``prepare`` is called with each new connection.

    A statement that takes longer than ``answer_seconds`` raises TimeoutError, and the pool's other
    connections are replaced as well when they are next used.
    """
    silence = silence or Silence()
    pool = await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=size,
        timeout=CONNECT_SECONDS,
        command_timeout=answer_seconds,
        max_inactive_connection_lifetime=POOLED_SECONDS,
        connection_class=connection_class(silence.found),
        server_settings=SESSION | dict(session or {}),
        init=prepare,
        reset=_keep_session,
    )
    silence.add(pool)
    return pool


async def _keep_session(_connection: object) -> None:
    """Skip the round trip that resets a released session: no code changes session state."""
