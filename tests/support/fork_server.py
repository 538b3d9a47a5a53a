"""The server of ``tests.support.forked``: starts services by fork, with their imports done.

``python -m tests.support.fork_server FD`` serves a connected Unix socket until its other end is
closed. Each message is a request with three descriptors: the new process's output, its errors, and
a socket that gets the pid with a pidfd and, when the process has ended, its wait status and its
CPU time in microseconds.
"""

import asyncio
import contextlib
import ctypes
import gc
import importlib
import os
import runpy
import selectors
import signal
import socket
import sys
from contextlib import ExitStack
from typing import Final

import msgspec

_for_good = ExitStack()
MAX_MESSAGE: Final = 128 << 10
_SET_PDEATHSIG: Final = 1


class Request(msgspec.Struct):
    """``python -m module arguments…``, in a folder, with exactly this environment."""

    module: str
    arguments: list[str]
    folder: str
    environment: dict[str, str]


def main() -> None:
    """Serve. In each started process the call returns after that process's program."""
    started = _serve(socket.socket(fileno=int(sys.argv[1])))
    if started is None:
        return
    # This is a new process: only the imports remain of the server.
    os.environ.clear()
    os.environ.update(started.environment)
    os.chdir(started.folder)
    sys.argv = [started.module, *started.arguments]
    runpy.run_module(started.module, run_name="__main__", alter_sys=True)


def _serve(requests: socket.socket) -> Request | None:
    """Serve until the client is gone, then return None; returns the request in a new process."""
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not requests:
                    pid, status = key.data
                    selector.unregister(key.fileobj)
                    os.close(key.fd)
                    _, ended, used = os.wait4(pid, 0)
                    _report(status, ended, round(1e6 * (used.ru_utime + used.ru_stime)))
                    status.close()
                    continue
                message, descriptors, _, _ = socket.recv_fds(requests, MAX_MESSAGE, 3)
                if not message:
                    return None
                request = msgspec.json.decode(message, type=Request)
                _import(request.module)
                pid = os.fork()
                if pid == 0:
                    _leave(*descriptors[:2])
                    return request
                os.close(descriptors[0])
                os.close(descriptors[1])
                status = socket.socket(fileno=descriptors[2])
                # Opened here, where the process is still known after it has ended.
                running = os.pidfd_open(pid)
                with contextlib.suppress(OSError):
                    socket.send_fds(status, [str(pid).encode()], [running])
                selector.register(running, selectors.EVENT_READ, (pid, status))


def _import(module: str) -> None:
    """Import what the module imports. It is executed as ``__main__`` in the new process only."""
    before = set(sys.modules)
    importlib.import_module(module)
    del sys.modules[module]
    if found := sys.modules.keys() - before:
        _rehearse(found)
        # Without this, a collection in a new process copies the pages of all these objects.
        gc.collect()
        gc.freeze()


def _rehearse(found: set[str]) -> None:
    """Let libraries do once, for all new processes, what they do at their first use."""
    if "shared.host.host" in found:
        from shared.event_store import postgres  # noqa: F401
        from shared.http.app import create_app

        create_app("rehearsal", [])
        importlib.import_module("anyio._backends._asyncio")
    if "aiobotocore.client" in found:
        from tests.support.botocore_models import read_models_once

        # None of the new processes leaves the context.
        _for_good.enter_context(read_models_once())
        asyncio.run(_open_s3_client())


async def _open_s3_client() -> None:
    from shared.blobs.s3 import s3_client

    async with s3_client("http://localhost", "us-east-1", "unused", "unused"):
        return


def _leave(output: int, errors: int) -> None:
    """Make a new process independent of the server, except that it ends with the server."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(errors, 2)
    os.closerange(3, 1024)
    ctypes.CDLL(None).prctl(_SET_PDEATHSIG, int(signal.SIGTERM))


def _report(status: socket.socket, *numbers: int) -> None:
    """Send numbers to the client, if it is still there."""
    try:
        status.send(" ".join(map(str, numbers)).encode())
    except OSError:
        return


if __name__ == "__main__":
    main()
