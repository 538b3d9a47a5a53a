"""Processes that a fork server starts (``deploy.local.fork_server``), and the server itself."""

import asyncio
import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from deploy.local.database import ROOT
from deploy.local.fork_server import Request
from deploy.local.process import Process
from deploy.local.running import Running, launch, open_log

PYTHON: Final = (sys.executable, "-m")
"""How the command lines of processes begin that can be forked."""
_SERVER: Final = "deploy.local.fork_server"


class Forked:
    """A started process, with the methods of ``subprocess.Popen``.

    ``used`` gets its CPU seconds, and those of its children, when it has ended.
    """

    def __init__(self, status: socket.socket, used: Callable[[float], None]) -> None:
        """Raises OSError where the server has ended."""
        pid, descriptors, _, _ = socket.recv_fds(status, 64, 1)
        if not pid:
            status.close()
            raise ConnectionError("the fork server has ended")
        self.pid = int(pid)
        (self._running,) = descriptors
        # A descriptor and no object: that might be collected, with a warning, before this one.
        self._status = status.detach()
        self._used = used
        self._returncode: int | None = None

    @property
    def returncode(self) -> int | None:
        """The exit code, or minus the number of the signal that ended it; None while it runs."""
        return self.poll()

    def poll(self) -> int | None:
        """The same as ``returncode``."""
        if self._returncode is None and self._has_ended(0):
            told = os.read(self._status, 64).split()
            if told:
                self._returncode = os.waitstatus_to_exitcode(int(told[0]))
                self._used(int(told[1]) / 1e6)
            else:
                # It ended with its server, and nobody knows how: the kernel had asked it to.
                self._returncode = -signal.SIGTERM
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
        ended.register(self._running, select.POLLIN)
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
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._running, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def __del__(self) -> None:
        for name in ("_status", "_running"):
            if hasattr(self, name):
                os.close(getattr(self, name))


class _Supervised:
    """A forked process as the supervisor uses it."""

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


class ForkServer:
    """Starts the server at the first request, and again where it has ended.

    ``modules``: what it imports before. ``environment``: of the server; None: our own.
    ``used``: see ``Forked``. Threads may ask at the same time.
    """

    def __init__(
        self,
        modules: Sequence[str] = (),
        *,
        program: str = _SERVER,
        environment: Mapping[str, str] | None = None,
        used: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._argv = (*PYTHON, program)
        self._modules = tuple(modules)
        self._environment = environment
        self._used = used
        self._lock = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        """Of the server, if it has been started."""
        return self._server.pid if self._server is not None else None

    def start(
        self,
        module: str,
        *arguments: str,
        env: Mapping[str, str],
        output: BinaryIO,
        errors: BinaryIO | None = None,
        folder: Path = ROOT,
    ) -> Forked:
        """Start ``python -m module arguments…`` with exactly this environment.

        Without ``errors`` these go where the output goes. Raises OSError where the server ends.
        """
        mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = Request(list(arguments), str(folder), dict(env))
        with its, open(os.memfd_create("request"), "w+b") as sent:
            sent.write(msgspec.json.encode(request))
            sent.seek(0)
            files = (sent, output, errors or output, its)
            descriptors = [file.fileno() for file in files]
            socket.send_fds(self._requests_to_server(), [module.encode()], descriptors)
        return Forked(mine, self._used)

    async def launch(self, process: Process, logs: Path) -> Running:
        """As ``deploy.local.running.launch``; ours are forked, other programs are executed."""
        ordinary = process.user is None and "LD_PRELOAD" not in process.env
        if process.argv[:2] != PYTHON or not ordinary:
            return await launch(process, logs)
        _, _, module, *arguments = process.argv
        with open_log(process, logs) as output:
            start = asyncio.to_thread(
                self.start,
                module,
                *arguments,
                env=process.env,
                output=output,
                folder=process.folder,
            )
            return _Supervised(await start)

    def begin(self) -> None:
        """Start the server before it is needed."""
        self._requests_to_server()

    def _requests_to_server(self) -> socket.socket:
        with self._lock:
            if self._requests is not None and self._server is not None:
                if self._server.poll() is None:
                    return self._requests
                self._requests.close()
            mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with its:
                self._server = subprocess.Popen(
                    (*self._argv, str(its.fileno()), *self._modules),
                    cwd=ROOT,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    pass_fds=[its.fileno()],
                )
            self._requests = mine
            return mine

    def close(self) -> None:
        """End the server, and with it all processes that still run."""
        with self._lock:
            if self._requests is not None and self._server is not None:
                self._requests.close()
                self._server.wait()
            self._requests = self._server = None
