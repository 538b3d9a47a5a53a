"""Services as processes of their own, forked from a process that has imported them.

The imports of a service take about three CPU seconds, and a run of all tests starts hundreds of
services. For a test the result is that of ``subprocess.Popen([sys.executable, "-m", module])``: a
process in a session of its own, with its own environment, output and exit status. The tests of
``make up`` and of the images start services as people do.
"""

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import BinaryIO

import msgspec

from deploy.local.process import Process
from deploy.local.running import Running, launch, open_log
from tests.support.fork_server import Request

_ROOT = Path(__file__).resolve().parents[2]


class UsedCpu:
    """CPU seconds of the processes that have ended and been waited for, and of their children.

    The kernel counts them as the fork server's until that ends.
    """

    seconds = 0.0


used_cpu = UsedCpu()
_starting = threading.Lock()


class Forked:
    """A started process, with the methods of ``subprocess.Popen`` that tests use."""

    def __init__(self, status: socket.socket) -> None:
        pid, (self._running,), _, _ = socket.recv_fds(status, 64, 1)
        self.pid = int(pid)
        # A descriptor and no object: that might be collected, with a warning, before this one.
        self._status = status.detach()
        self._returncode: int | None = None

    @property
    def returncode(self) -> int | None:
        """The exit code, or minus the number of the signal that ended it; None while it runs."""
        return self.poll()

    def poll(self) -> int | None:
        """The same as ``returncode``."""
        if self._returncode is None and self._has_ended(0):
            ended, microseconds = os.read(self._status, 64).split()
            self._returncode = os.waitstatus_to_exitcode(int(ended))
            used_cpu.seconds += int(microseconds) / 1e6
        return self._returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, for ``timeout`` seconds. Raises subprocess.TimeoutExpired."""
        if self._returncode is None:
            self._has_ended(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return code

    def _has_ended(self, timeout: float | None) -> bool:
        ended = select.poll()
        ended.register(self._status, select.POLLIN)
        return bool(ended.poll(None if timeout is None else 1000 * timeout))

    async def wait_for_end(self) -> int:
        """Wait for its end without blocking the event loop."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        watched = os.dup(self._running)
        loop.add_reader(watched, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(watched)
            os.close(watched)
        return self.wait()

    def send_signal(self, number: int) -> None:
        """Send a signal unless it has ended."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._running, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def __del__(self) -> None:
        os.close(self._status)
        os.close(self._running)


class _Supervised:
    """A forked process as ``deploy.local.supervisor`` uses it."""

    def __init__(self, process: Forked) -> None:
        self._process = process
        self.pid = process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    async def wait(self) -> int:
        return await self._process.wait_for_end()

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)


def start_service(
    module: str,
    *arguments: str,
    env: Mapping[str, str],
    output: BinaryIO,
    errors: BinaryIO | None = None,
    folder: Path = _ROOT,
) -> Forked:
    """Start ``python -m module arguments…`` with exactly this environment.

    Without ``errors`` these go where the output goes.
    """
    mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    request = Request(module, list(arguments), str(folder), dict(env))
    with its:
        descriptors = [output.fileno(), (errors or output).fileno(), its.fileno()]
        requests = _requests()
        socket.send_fds(requests, [msgspec.json.encode(request)], descriptors)
    return Forked(mine)


def run_service(
    module: str, *arguments: str, env: Mapping[str, str], timeout: float = 60
) -> "subprocess.CompletedProcess[str]":
    """Run it to its end, as ``subprocess.run`` does. Raises subprocess.TimeoutExpired."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = start_service(module, *arguments, env=env, output=output, errors=errors)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        said = [file.seek(0) or file.read().decode() for file in (output, errors)]
    return subprocess.CompletedProcess((module, *arguments), code, *said)


async def launch_forked(process: Process, logs: Path) -> Running:
    """As ``deploy.local.running.launch``; services are forked, other programs are executed."""
    ordinary = process.user is None and "LD_PRELOAD" not in process.env
    if process.argv[:2] != (sys.executable, "-m") or not ordinary:
        return await launch(process, logs)
    _, _, module, *arguments = process.argv
    with open_log(process, logs) as output:
        start = asyncio.to_thread(
            start_service,
            module,
            *arguments,
            env=process.env,
            output=output,
            folder=process.folder,
        )
        return _Supervised(await start)


def stop_fork_server() -> None:
    """End this session's server, and with it all processes that still run."""
    if _fork_server.cache_info().currsize:
        requests, server = _fork_server()
        requests.close()
        server.wait()
        used_cpu.seconds = 0.0
        _fork_server.cache_clear()


def _requests() -> socket.socket:
    """Where requests go. Threads may ask at the same time: all but one server would end at once,
    and its processes with it."""
    with _starting:
        return _fork_server()[0]


@cache
def _fork_server() -> "tuple[socket.socket, subprocess.Popen[bytes]]":
    """The server of this session, which is started by the first request."""
    mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.support.fork_server", str(its.fileno())],
            cwd=_ROOT,
            pass_fds=[its.fileno()],
        )
    return mine, server
