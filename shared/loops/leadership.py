"""One active process among replicas, by an advisory lock that PostgreSQL frees when it dies.

The lock belongs to a database session. A leader checks its session every few seconds by a query
with a time limit, because a connection can go silent without being closed; the server ends a
session that it hears nothing from, so that the next leader need not wait for TCP to do so.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from shared.database_sessions import LEADER_SESSION
from shared.loops.cancellation import end

# Seconds between two attempts of a standby, and between two checks of a leader's session.
_RETRY_SECONDS: Final = 0.5
_HEARTBEAT_SECONDS: Final = 2.0
# Seconds that the database has to accept a connection, to answer a query on it, and to answer the
# check of a session: with the time between two checks that is less than the server waits.
_CONNECT_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 10.0
_CHECK_SECONDS: Final = 6.0


class LeadershipLost(ConnectionError):
    """The session that held the lock is gone; another process may lead by now."""


def lock_key(name: str) -> int:
    """A signed 64-bit advisory lock key from a name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


async def lead_once(
    url: str,
    name: str,
    body: Callable[["asyncpg.Connection[asyncpg.Record]"], Awaitable[None]],
    *,
    heartbeat: bool = True,
    alive: Callable[[], None] = lambda: None,
    silent: Callable[[], None] = lambda: None,
) -> None:
    """Wait until this process holds the lock ``name``, then run ``body`` until either ends.

    ``body`` gets the connection that holds the lock, and runs as a task of its own, so that losing
    the lock cancels the body and nothing else. With ``heartbeat`` the connection is checked every
    two seconds and the body must not use it; a body that uses it in every round does without.
    ``alive`` is called at each attempt of a standby and at each check of a leader, ``silent`` where
    the session did not answer: other connections may be silent, too.

    Raises LeadershipLost where the session ended, whatever ``body`` raised, and TaskDidNotEnd
    where the body outlived its cancellation.
    """
    async with _locked(url, name, alive) as connection:
        leading = asyncio.create_task(_run(body, connection), name=f"leading {name}")
        watching = asyncio.create_task(
            _until_lost(connection, alive, silent, heartbeat=heartbeat), name=f"watching {name}"
        )
        try:
            await asyncio.wait({leading, watching}, return_when=asyncio.FIRST_COMPLETED)
            ended_by_itself = leading.done()
        finally:
            await end((leading, watching))
        if ended_by_itself:
            return leading.result()
        raise LeadershipLost(f"lost the lock {name}")


async def _run(
    body: Callable[["asyncpg.Connection[asyncpg.Record]"], Awaitable[None]],
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    await body(connection)


async def _until_lost(
    connection: "asyncpg.Connection[asyncpg.Record]",
    alive: Callable[[], None],
    silent: Callable[[], None],
    *,
    heartbeat: bool,
) -> None:
    """Return as soon as the connection is closed or does not answer."""
    closed = asyncio.Event()
    connection.add_termination_listener(lambda _connection: closed.set())
    while not connection.is_closed():
        alive()
        try:
            async with asyncio.timeout(_HEARTBEAT_SECONDS):
                await closed.wait()
        except TimeoutError:
            if not heartbeat:
                continue
            try:
                await connection.fetchval("select 1", timeout=_CHECK_SECONDS)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                if isinstance(error, TimeoutError):
                    silent()
                return


@asynccontextmanager
async def _locked(
    url: str, name: str, alive: Callable[[], None]
) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]"]:
    alive()
    connection = await asyncpg.connect(
        url,
        timeout=_CONNECT_SECONDS,
        command_timeout=_ANSWER_SECONDS,
        server_settings=LEADER_SESSION,
    )
    try:
        # A query that waits for the lock would hold back vacuum, so this one only tries.
        while not await connection.fetchval("select pg_try_advisory_lock($1)", lock_key(name)):
            alive()
            await asyncio.sleep(_RETRY_SECONDS)
        yield connection
    finally:
        # close() would wait for a server that may be silent.
        connection.terminate()
