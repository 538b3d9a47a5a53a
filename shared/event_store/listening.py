"""LISTEN that outlives its connection."""

import asyncio
from collections.abc import Callable

import asyncpg

_RETRY_SECONDS = 1.0


async def listen(url: str, channel: str, heard: Callable[[], None]) -> None:
    """Call ``heard`` at every notification, for ever, reconnecting when the connection breaks.

    Notifications sent in between are lost, so ``heard`` is also called after each connect, and
    whoever relies on this polls besides.
    """

    def notified(*_notification: object) -> None:
        heard()

    while True:
        closed = asyncio.Event()
        try:
            connection = await asyncpg.connect(url, timeout=10)
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(_RETRY_SECONDS)
            continue
        try:
            connection.add_termination_listener(lambda _connection, done=closed: done.set())
            await connection.add_listener(channel, notified)
            heard()
            await closed.wait()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await asyncio.sleep(_RETRY_SECONDS)
        finally:
            connection.terminate()
