"""A catalog process under measurement, and what its answers cost."""

import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil

from benchmarks.reads.metering import cpu_of, metered, others_of
from tests.support.databases import Database

_SERVER = Path(__file__).with_name("server.py")


class Cost(msgspec.Struct, frozen=True):
    """Of one request, in microseconds: CPU of the process and of its PostgreSQL sessions, and the
    median time until it is answered."""

    process: float
    database: float
    answered: float

    @property
    def cpu(self) -> float:
        """CPU of both."""
        return self.process + self.database


class CatalogProcess:
    """One catalog, asked over one connection."""

    def __init__(self, process: psutil.Process, port: int, token: str) -> None:
        self.token = token
        self.address = f"http://127.0.0.1:{port}"
        self._process = process
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, path: str, headers: Mapping[str, str], expected: int) -> dict[str, str]:
        """The headers of an answer with the expected status."""
        self._connection.request("GET", path, headers=dict(headers))
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != expected:
            raise RuntimeError(f"{path}: {answer.status} {body[:300]!r}")
        return {name.lower(): value for name, value in answer.getheaders()}

    def cost(
        self, path: str, headers: Mapping[str, str], *, expected: int = 200, times: int
    ) -> Cost:
        """What ``times`` requests of one kind cost."""
        # Meanwhile the process may have ended a connection that was idle.
        self._connection.close()
        self.ask(path, headers, expected)
        sessions = self._sessions()
        before = cpu_of(self._process), [cpu_of(each) for each in sessions]
        waits: list[float] = []
        for _ in range(times):
            began = time.perf_counter()
            self.ask(path, headers, expected)
            waits.append(time.perf_counter() - began)
        process = cpu_of(self._process) - before[0]
        # One that has ended was of a pool that had too many.
        database = sum(
            cpu_of(each) - then
            for each, then in zip(sessions, before[1], strict=True)
            if each.is_running()
        )
        return Cost(process / times * 1e6, database / times * 1e6, statistics.median(waits) * 1e6)

    def meter(self) -> Callable[[], float]:
        """Tells the seconds that process and PostgreSQL sessions have used since this call."""
        return metered(self._process)

    def _sessions(self) -> list[psutil.Process]:
        """The PostgreSQL processes at the other ends of the process's connections."""
        return others_of(self._process)


@contextmanager
def catalog(root: Path, database: Database, user_id: str) -> Iterator[CatalogProcess]:
    """The catalog of the checkout in ``root``, on ``database``; its token is this user's."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    command = (sys.executable, str(_SERVER), database.url("catalog"), str(port), user_id)
    with subprocess.Popen(
        command,
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            # Log lines go before the token.
            line = next(line for line in process.stdout if line.startswith('{"token"'))
            # Read on: a process whose log nobody reads stands still once the pipe is full.
            threading.Thread(target=deque, args=(process.stdout, 0), daemon=True).start()
            yield CatalogProcess(psutil.Process(process.pid), port, json.loads(line)["token"])
        finally:
            process.stdin.close()
            process.wait(30)
