"""The commands ``redrive``, ``rebuild`` and ``rebuild --verify`` of a service's program.

Each prints its report as JSON on standard output, for ``cinelog``.
"""

import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database.connect import create_engine
from shared.event_store.postgres import PostgresEventStore, open_event_store
from shared.event_store.projections.event_applier import Projection
from shared.event_store.projections.parking import redrive
from shared.event_store.projections.replay import Replay, Replayable


async def redrive_parked(url: str, projection: Projection, schema: str) -> None:
    """Apply a projection's parked events again. ``url`` logs in as the owner of the tables."""
    async with _opened(url) as (engine, store):
        report = await redrive(engine, store, projection, schema)
    sys.stdout.write(f"{msgspec.json.encode(report).decode()}\n")


async def rebuild(url: str, what: Replayable, *, swap: bool) -> None:
    """Rebuild a projection's tables; without ``swap`` only report the rows that differ."""
    async with _opened(url) as (engine, store):
        replay = Replay(engine, store, what, progress=show_progress())
        report = await replay.run(swap=swap)
    sys.stderr.write("\n")
    sys.stdout.write(f"{msgspec.json.format(msgspec.json.encode(report)).decode()}\n")


@asynccontextmanager
async def _opened(url: str) -> AsyncGenerator[tuple[AsyncEngine, PostgresEventStore]]:
    # A connection for the lock, one for the last transaction, one for the applied events.
    engine = create_engine(url, size=3, answer_seconds=None)
    try:
        async with open_event_store(url, connections=2) as store:
            yield engine, store
    finally:
        await engine.dispose()


def show_progress() -> Callable[[int, int], None]:
    """A function that writes to standard error how far a rebuild is."""
    began = time.monotonic()

    def progress(position: int, target: int) -> None:
        speed = position / max(time.monotonic() - began, 0.001)
        left = (target - position) / max(speed, 0.001)
        share = position / target if target else 1.0
        sys.stderr.write(f"\r{share:7.1%}  {position} of {target} events, {left:.0f} s left  ")

    return progress
