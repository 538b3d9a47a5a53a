"""``python -m benchmarks.uploads``: what it costs that uploads are on disk; see README.md."""

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import psutil

from benchmarks.uploads.server import Setup
from deploy.local.parts import Urls
from tests.integration.ingest.harness import clip
from tests.support.buckets import own_buckets
from tests.support.databases import copy_of, migrated_template
from tests.support.ending import end_on_signals
from tests.support.real_parts import ROOT, packages

MIB = 1 << 20
ROUNDS = 6
SMALL, LARGE = clip(MIB), clip(64 * MIB)
SMALL_UPLOADS = 40


def main() -> None:
    """Alternate between a service that syncs and one that does not; print the ratios."""
    # On a disk: in memory a sync costs nothing.
    with (
        tempfile.TemporaryDirectory(dir=ROOT / "dist", prefix="uploads-") as folder,
        durable_parts(Path(folder)) as urls,
        copy_of(urls.postgres, migrated_template(urls.postgres)) as database,
        own_buckets(urls) as buckets,
        service(Setup(database, buckets, urls.s3_sync)) as synced,
        service(Setup(database, buckets, None)) as unsynced,
    ):
        for each in (synced, unsynced):
            each.send(SMALL)
            each.send(LARGE)
        waits: dict[Service, list[float]] = {synced: [], unsynced: []}
        rates: dict[Service, list[float]] = {synced: [], unsynced: []}
        for _ in range(ROUNDS):
            for each in (synced, unsynced):
                waits[each] += [each.send(SMALL) for _ in range(SMALL_UPLOADS)]
                rates[each].append(each.rate(LARGE, 4))
        for name, found, unit in (("1 MiB, p50", waits, "s"), ("64 MiB", rates, "MiB per CPU-s")):
            on, off = (statistics.median(found[each]) for each in (synced, unsynced))
            say(
                f"{name}: synced {on:.4g} {unit}, not synced {off:.4g} {unit}, ratio {on / off:.2f}"
            )


class Service:
    """One ingest process, used as a client uses it."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"authorization": f"Bearer {token}"}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=120, trust_env=False)

    def send(self, data: bytes) -> float:
        """Seconds until an upload is acknowledged."""
        began = time.perf_counter()
        answer = self._client.post(
            "/api/v1/streaming/upload",
            data={"title": "A clip"},
            files={"video": ("clip.mp4", data, "video/mp4")},
        )
        assert answer.status_code == 202, answer.text
        return time.perf_counter() - began

    def rate(self, data: bytes, times: int) -> float:
        """MiB that are stored in a CPU second of all that work on it."""
        began = cpu_seconds()
        for _ in range(times):
            self.send(data)
        return times * len(data) / MIB / (cpu_seconds() - began)


def cpu_seconds() -> float:
    """CPU seconds, user and system, of the services, the storage and the database so far."""
    times = [process.cpu_times() for process in psutil.Process().children(recursive=True)]
    return sum(each.user + each.system for each in times)


@contextmanager
def durable_parts(folder: Path) -> Iterator[Urls]:
    """Parts that keep what they acknowledge through a loss of power."""
    folder.chmod(0o711)
    command = ("-m", "deploy.local.parts", str(folder / "home"), str(packages()), "--durable")
    with child(*command) as process:
        assert process.stdout is not None
        yield msgspec.json.decode(process.stdout.readline(), type=Urls)


@contextmanager
def service(setup: Setup) -> Iterator[Service]:
    """An ingest process."""
    with child("-m", "benchmarks.uploads.server", msgspec.json.encode(setup).decode()) as process:
        yield Service(*address_of(process))


def address_of(process: "subprocess.Popen[str]") -> tuple[str, str]:
    """The address and the token that an ingest process prints."""
    assert process.stdout is not None
    # Log lines go before the address.
    line = next(line for line in process.stdout if line.startswith("http://"))
    # Read on: a process whose log nobody reads stands still once the pipe is full.
    threading.Thread(target=deque, args=(process.stdout, 0), daemon=True).start()
    url, token = line.split()
    return url, token


@contextmanager
def child(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A process of ours that ends when its standard input closes."""
    process = subprocess.Popen(
        (sys.executable, *arguments),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(60)


def say(line: str) -> None:
    """Print at once, so that a long run can be followed."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    end_on_signals()
    main()
