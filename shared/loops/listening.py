"""LISTEN that outlives its connection."""

import asyncio
from collections.abc import Callable
from typing import Final, NoReturn

import asyncpg

from shared.database_sessions import SESSION
from shared.loops.loops import Loops
from shared.loops.progress import LoopProgress

# Seconds between two checks that the connection still answers, and that it has to do so.
_HEARTBEAT_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 5.0


async def listen(
    loops: Loops, name: str, url: str, channel: str, heard: Callable[[], None]
) -> NoReturn:
    """Call ``heard`` at every notification, until cancelled, reconnecting where that is needed.

    Notifications are lost while the connection is broken, so ``heard`` is also called after each
    connect, and callers poll besides. ``name`` says what the loop is for.
    """

    async def session(progress: LoopProgress) -> None:
        await _listen_once(url, channel, heard, progress)

    await loops.persist(f"listen for {name}", session)


async def _listen_once(
    url: str, channel: str, heard: Callable[[], None], progress: LoopProgress
) -> None:
    """Listen until the connection is closed or does not answer."""

    def notified(*_notification: object) -> None:
        heard()

    closed = asyncio.Event()
    connection = await asyncpg.connect(
        url,
        timeout=_ANSWER_SECONDS,
        command_timeout=_ANSWER_SECONDS,
        server_settings=SESSION,
    )
    try:
        connection.add_termination_listener(lambda _connection: closed.set())
        await connection.add_listener(channel, notified)
        heard()
        while not connection.is_closed():
            progress.came_round()
            try:
                async with asyncio.timeout(_HEARTBEAT_SECONDS):
                    await closed.wait()
            except TimeoutError:
                await connection.fetchval("select 1")
    finally:
        connection.terminate()
