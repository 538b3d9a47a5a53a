"""Processes under measurement: pinned to a core, their CPU time and memory read from /proc."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
PROXY_CORE, OTHER_CORE = 0, 1


def need(program: str, how: str) -> str:
    """The path of a program, or an end to everything with a hint."""
    beside = Path(sys.executable).parent / program
    found = shutil.which(program) or (str(beside) if beside.exists() else None)
    if found is None:
        sys.exit(f"{program} is missing: {how}")
    return found


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """A server on one core."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        port: int,
        folder: Path,
        *,
        core: int = PROXY_CORE,
        env: dict[str, str] | None = None,
    ) -> None:
        self.name, self.port = name, port
        self._log = (folder / f"{name}.log").open("wb")
        self._process = subprocess.Popen(
            ["taskset", "-c", str(core), *argv],
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 0.5).close()
                return
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    text = (folder / f"{name}.log").read_text()[-2000:]
                    self.stop()
                    sys.exit(f"{name} did not start:\n{text}")
                time.sleep(0.05)

    def _all(self) -> list[psutil.Process]:
        own = psutil.Process(self._process.pid)
        return [own, *own.children(recursive=True)]

    def cpu(self) -> float:
        """CPU seconds so far, user and system, of the whole tree."""
        times = [process.cpu_times() for process in self._all()]
        return sum(one.user + one.system for one in times)

    def memory(self) -> int:
        """Resident bytes of the whole tree."""
        return sum(process.memory_info().rss for process in self._all())

    def stop(self) -> None:
        """End it."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            for process in self._all():
                process.kill()
            self._process.wait()
        self._log.close()
