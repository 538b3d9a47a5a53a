"""Durable appends per second, one event each, 32 writers: ours beside pgbench on one server.

Both write the same row through the same indexes with fsync and synchronous_commit on; short
slices alternate, and the median of the pairs' ratios is what counts.
"""

import asyncio
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import msgspec
import uvloop

from shared.contracts import TranscodeProgressed, new_id, stream_id
from shared.event_store.postgres import open_event_store
from shared.event_store.store import EventStore, Metadata, NewEvent

WRITERS = 32
SECONDS = 4
VERSIONS_PER_STREAM = 20

EVENT = TranscodeProgressed(
    video_id=new_id(), attempt=1, percent=42.5, stage="encoding", speed=3.2, worker="worker-1"
)
PGBENCH_SCRIPT = """
insert into log.events (stream_id, version, event_id, type, schema_version, data, metadata)
values ('transcode-' || gen_random_uuid()::text, 1, gen_random_uuid(), 'TranscodeProgressed', 1,
        '{data}', '{{"actor":"bench"}}');
"""


async def ours(url: str) -> float:
    """Events per second through the event store."""
    async with open_event_store(url) as store:
        started = time.perf_counter()
        counts = await asyncio.gather(*(_write(store, started + SECONDS) for _ in range(WRITERS)))
        return sum(counts) / (time.perf_counter() - started)


async def _write(store: EventStore, until: float) -> int:
    written = 0
    metadata = Metadata(actor="bench")
    while time.perf_counter() < until:
        stream = stream_id("transcode", new_id())
        for version in range(VERSIONS_PER_STREAM):
            await store.append(stream, version, [NewEvent(EVENT)], metadata)
            written += 1
            if time.perf_counter() >= until:
                break
    return written


def pgbench(binary: Path, url: str) -> float:
    """Events per second of pgbench with 32 clients, one insert per transaction."""
    parts = urlsplit(url)
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(PGBENCH_SCRIPT.format(data=msgspec.json.encode(EVENT).decode()))
        script.flush()
        output = subprocess.run(
            [
                str(binary),
                "--no-vacuum",
                "--protocol=prepared",
                f"--client={WRITERS}",
                "--jobs=2",
                f"--time={SECONDS}",
                f"--file={script.name}",
                url,
            ],
            env={"PGPASSWORD": parts.password or ""},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    line = next(line for line in output.splitlines() if line.startswith("tps"))
    return float(line.split("=")[1].split()[0])


def compare(other: Callable[[], float], url: str, rounds: int) -> tuple[list[float], list[float]]:
    """Alternate both ``rounds`` times; returns events per second of ours and of the other."""
    mine: list[float] = []
    theirs: list[float] = []
    for _ in range(rounds):
        theirs.append(other())
        mine.append(uvloop.run(ours(url)))
    return mine, theirs


async def require_durability(url: str) -> None:
    """Raises RuntimeError unless a commit is on the disk before it is acknowledged."""
    connection = await asyncpg.connect(url)
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        if await connection.fetchval(f"show {setting}") != "on":
            raise RuntimeError(f"{setting} is off: nothing that is measured would be durable")
    await connection.close()


def report(mine: list[float], theirs: list[float], whose: str) -> str:
    """One line: the medians, and the ratio's median and spread over the pairs."""
    ratios = [a / b for a, b in zip(mine, theirs, strict=True)]
    return (
        f"append, {WRITERS} writers: {statistics.median(mine):,.0f} events/s, {whose} "
        f"{statistics.median(theirs):,.0f}/s, ratio {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f})"
    )
