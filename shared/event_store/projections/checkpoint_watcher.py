"""Waiting until a read model has reached an event: how a process reads its own writes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg

from shared.database.connect import create_pool
from shared.event_store.listening import listen
from shared.event_store.store import EventStore

# Notifications may be lost with a connection; the poll bounds what that costs.
_POLL_SECONDS = 0.05


class CheckpointWatcher:
    """Follows one projection's checkpoint from any process. Open it with ``watch_checkpoint``."""

    def __init__(
        self, pool: "asyncpg.Pool[asyncpg.Record]", store: EventStore, schema: str, name: str
    ) -> None:
        self._pool = pool
        self._store = store
        self._query = "select position from %I.checkpoints where name = $1".replace("%I", schema)
        self._name = name
        self._moved = asyncio.Event()

    async def wait_for_event(self, stream_id: str, version: int, timeout: float) -> bool:
        """Whether the projection has applied an event, after at most ``timeout`` seconds."""
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            moved = self._moved
            position = await self._store.position_of(stream_id, version)
            if position is not None and await self.position() >= position:
                return True
            remaining = deadline - asyncio.get_running_loop().time()
            if remaining <= 0:
                return False
            try:
                async with asyncio.timeout(min(remaining, _POLL_SECONDS)):
                    await moved.wait()
            except TimeoutError:
                continue

    async def wait_for_latest(self, timeout: float) -> bool:
        """Whether the projection has applied all that was in the log when this was called."""
        latest = await self._store.latest()
        return latest is None or await self.wait_for_event(*latest, timeout)

    async def position(self) -> int:
        """Where the projection is now."""
        return await self._pool.fetchval(self._query, self._name) or 0

    def checkpoint_moved(self) -> None:
        """Let everyone who waits look again."""
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()


@asynccontextmanager
async def watch_checkpoint(
    url: str, store: EventStore, schema: str, name: str
) -> AsyncGenerator[CheckpointWatcher]:
    """A watcher of the checkpoint of the projection ``schema.name``."""
    pool = await create_pool(url, size=4)
    watcher = CheckpointWatcher(pool, store, schema, name)
    listener = asyncio.create_task(listen(url, f"{schema}.{name}", watcher.checkpoint_moved))
    try:
        yield watcher
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)
        await pool.close()
