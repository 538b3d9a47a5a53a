"""One active process among replicas, by an advisory lock that PostgreSQL frees when it dies."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg

# How long a standby waits between two tries, and how often a leader makes sure that it still is.
_RETRY_SECONDS = 0.5
_KEEPALIVE_SECONDS = 2.0


class LeadershipLost(ConnectionError):
    """The connection that held the lock is gone; somebody else may lead by now."""


def lock_key(name: str) -> int:
    """A signed 64-bit advisory lock key from a name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


@asynccontextmanager
async def leadership(url: str, name: str) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]"]:
    """Wait until this process leads ``name``, then yield the connection that holds the lock.

    If the connection breaks, the body is cancelled and LeadershipLost is raised.
    """
    connection = await _acquire(url, name)
    body = asyncio.current_task()
    lost = False

    async def watch() -> None:
        nonlocal lost
        closed = asyncio.Event()
        connection.add_termination_listener(lambda _connection: closed.set())
        while not connection.is_closed():
            try:
                async with asyncio.timeout(_KEEPALIVE_SECONDS):
                    await closed.wait()
            except TimeoutError:
                continue
        lost = True
        if body is not None:
            body.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield connection
    except asyncio.CancelledError:
        if lost:
            if body is not None:
                body.uncancel()
            raise LeadershipLost(f"lost the lock {name}") from None
        raise
    finally:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)
        if not connection.is_closed():
            connection.terminate()


async def _acquire(url: str, name: str) -> "asyncpg.Connection[asyncpg.Record]":
    connection = await asyncpg.connect(url, timeout=10, command_timeout=60)
    try:
        while True:
            # Trying, not waiting: a query that waits for the lock would hold back vacuum.
            if await connection.fetchval("select pg_try_advisory_lock($1)", lock_key(name)):
                return connection
            await asyncio.sleep(_RETRY_SECONDS)
    except BaseException:
        connection.terminate()
        raise
