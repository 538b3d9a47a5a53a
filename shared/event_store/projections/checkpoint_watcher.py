"""Waits until a read model includes an event, so that a process can read its own writes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg

from shared.database.connect import create_pool
from shared.event_store.store import EventStore
from shared.loops.cancellation import end
from shared.loops.listening import listen
from shared.loops.loops import Loops
from shared.loops.waiting import wait_for_event

# Notifications may be lost with a connection; polling limits the delay.
_POLL_SECONDS = 0.05


class CheckpointWatcher:
    """Watches one projection's checkpoint from any process. Open it with ``watch_checkpoint``."""

    def __init__(
        self, pool: "asyncpg.Pool[asyncpg.Record]", store: EventStore, schema: str, name: str
    ) -> None:
        self._pool = pool
        self._store = store
        self._query = f"select position from {schema}.checkpoints where name = $1"  # noqa: S608
        self._name = name
        self._moved = asyncio.Event()

    async def wait_for_event(self, stream_id: str, version: int, timeout: float) -> bool:
        """Whether the projection has applied an event, after at most ``timeout`` seconds."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout
        moved = self._moved
        while not await self._includes(stream_id, version):
            remaining = deadline - clock()
            if remaining <= 0:
                return False
            await wait_for_event(moved, min(remaining, _POLL_SECONDS))
            moved = self._moved
        return True

    async def wait_for_latest(self, timeout: float) -> bool:
        """Whether the projection has applied every event that is in the log now."""
        latest = await self._store.latest()
        return latest is None or await self.wait_for_event(*latest, timeout)

    async def position(self) -> int:
        """The position of the last event that the projection has applied."""
        return await self._pool.fetchval(self._query, self._name) or 0

    def checkpoint_moved(self) -> None:
        """Wake every waiting caller."""
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def _includes(self, stream_id: str, version: int) -> bool:
        position = await self._store.position_of(stream_id, version)
        return position is not None and await self.position() >= position


@asynccontextmanager
async def watch_checkpoint(
    loops: Loops, url: str, store: EventStore, schema: str, name: str
) -> AsyncGenerator[CheckpointWatcher]:
    """A watcher of the checkpoint of the projection ``schema.name``."""
    pool = await create_pool(url, size=4)
    watcher = CheckpointWatcher(pool, store, schema, name)
    channel = f"{schema}.{name}"
    listener = asyncio.create_task(
        listen(loops, "the checkpoint", url, channel, watcher.checkpoint_moved)
    )
    try:
        yield watcher
    finally:
        await end([listener])
        await pool.close()
