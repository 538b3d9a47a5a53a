"""Rebuilding the catalog from a log of a million events, in a process of its own."""

import asyncio
import multiprocessing
import resource
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event as Flag
from pathlib import Path

import asyncpg
import msgspec
import uvloop

from services.catalog.read_model.projections import NAME, Library
from services.catalog.read_model.rebuild import Rebuild
from shared.contracts import TranscodeProgressed, new_id, stream_id
from shared.database.connect import create_engine
from shared.event_store.postgres import open_event_store
from shared.event_store.projections.projection import ProjectionRunner
from shared.event_store.sequencer import Sequencer
from shared.event_store.store import Metadata, NewEvent

LIVE_RATE = 250
_PAGE = 5000
_PAGE_SIZE = resource.getpagesize()


class Outcome(msgspec.Struct, frozen=True):
    """``rate`` in events per second until the new tables were live; resident megabytes once a
    tenth was done, and at most."""

    rate: float
    early_mb: float
    peak_mb: float


def rebuild(url: str, *, live: bool) -> Outcome:
    """Rebuild, alone or beside LIVE_RATE events a second that are appended, given positions and
    projected by another process."""
    context = multiprocessing.get_context("spawn")
    stop, ready = context.Event(), context.Event()
    traffic = context.Process(target=_live, args=(url, stop, ready), daemon=True)
    if live:
        traffic.start()
        ready.wait(60)
    try:
        with context.Pool(1) as pool:
            return pool.apply(_rebuild, (url,))
    finally:
        stop.set()
        if live:
            traffic.join(30)


def _rebuild(url: str) -> Outcome:
    return uvloop.run(_measure(url))


async def _measure(url: str) -> Outcome:
    sizes: list[tuple[float, float]] = []
    engine = create_engine(url, size=3, answer_seconds=None)
    async with open_event_store(url, connections=2) as store:
        began = time.perf_counter()
        report = await Rebuild(engine, store, _sizes_into(sizes)).run(swap=True, compare=False)
        seconds = time.perf_counter() - began
    await engine.dispose()
    early = next(size for share, size in sizes if share >= 0.1)
    return Outcome(report.events / seconds, early, max(size for _, size in sizes))


def _sizes_into(sizes: list[tuple[float, float]]) -> Callable[[int, int], None]:
    def progress(position: int, target: int) -> None:
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_SIZE / 1e6
        sizes.append((position / target, resident))

    return progress


async def read_rate(url: str, count: int) -> float:
    """Events of the log read and decoded per second, and nothing done with them."""
    async with open_event_store(url, connections=1) as store:
        began = time.perf_counter()
        read = 0
        while read < count:
            read += len(await store.read_all(read, _PAGE))
        return read / (time.perf_counter() - began)


async def mark_projected(url: str) -> None:
    """Let the live projection stand at the log's end, as if it had always followed."""
    connection = await asyncpg.connect(url)
    await connection.execute(
        "insert into catalog.checkpoints (name, position)"
        " select $1, max(position) from log.positions"
        " on conflict (name) do update set position = excluded.position",
        NAME,
    )
    await connection.close()


def _live(url: str, stop: Flag, ready: Flag) -> None:
    uvloop.run(_traffic(url, stop, ready))


async def _traffic(url: str, stop: Flag, ready: Flag) -> None:
    engine = create_engine(url, size=2, answer_seconds=None)
    connection = await asyncpg.connect(url)
    sequencer = Sequencer(connection)
    await sequencer.load()
    async with open_event_store(url) as store:
        runner = ProjectionRunner(engine, store, Library(), "catalog", poll_seconds=0.05)
        running = [asyncio.create_task(runner.run()), asyncio.create_task(_stamp(sequencer))]
        appending: set[asyncio.Task[int]] = set()
        began, sent = time.perf_counter(), 0
        ready.set()
        while not stop.is_set():
            due = int((time.perf_counter() - began) * LIVE_RATE)
            for _ in range(due - sent):
                video = new_id()
                event = TranscodeProgressed(video_id=video, attempt=1, percent=1.0, stage="x")
                append = store.append(
                    stream_id("transcode", video), 0, [NewEvent(event)], Metadata()
                )
                appending.add(task := asyncio.create_task(append))
                task.add_done_callback(appending.discard)
            sent = due
            await asyncio.sleep(0.01)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, *appending, return_exceptions=True)
    await connection.close()
    await engine.dispose()


async def _stamp(sequencer: Sequencer) -> None:
    while True:
        if not await sequencer.stamp():
            await asyncio.sleep(0.005)
