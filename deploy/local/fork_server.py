"""Starts Python programs by fork, from a process that has their imports done.

``python -m deploy.local.fork_server FD [MODULE…]`` imports the modules, then serves a connected
Unix socket until its other end is closed. Each message names a module to run, and has four
descriptors: the rest of the request, which only the new process reads, because its environment has
secrets; the process's output, its errors, and a socket that gets the pid with a pidfd and, when the
process has ended, its wait status and its CPU time in microseconds.

What all have imported is in memory once. A new process has a session, an environment and open files
of its own, and shares nothing with the others that any of them can change.
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
from collections.abc import Sequence
from typing import Final

import msgspec

_LONGEST_NAME: Final = 1024
_SET_PDEATHSIG, _SET_NAME = 1, 15


class Request(msgspec.Struct):
    """What a module is run with: arguments, a folder, and exactly this environment."""

    arguments: list[str]
    folder: str
    environment: dict[str, str]


def main() -> None:
    """Serve. In each started process the call returns after that process's program."""
    descriptor, *modules = sys.argv[1:]
    module = _serve(socket.socket(fileno=int(descriptor)), modules)
    if module is not None:
        # This is a new process: only the imports remain of the server.
        runpy.run_module(module, run_name="__main__", alter_sys=True)


def _serve(requests: socket.socket, modules: Sequence[str]) -> str | None:
    """Serve until the client is gone, then return None; returns the module in a new process.

    ``modules`` are imported before.
    """
    for module in modules:
        _import(module)
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
                message, descriptors, _, _ = socket.recv_fds(requests, _LONGEST_NAME, 4)
                if not message:
                    return None
                module = message.decode()
                _import(module)
                pid = os.fork()
                if pid == 0:
                    _become(module, *descriptors[:3])
                    return module
                for descriptor in descriptors[:3]:
                    os.close(descriptor)
                status = socket.socket(fileno=descriptors[3])
                # Opened here, where the process is still known after it has ended.
                running = os.pidfd_open(pid)
                with contextlib.suppress(OSError):
                    socket.send_fds(status, [str(pid).encode()], [running])
                selector.register(running, selectors.EVENT_READ, (pid, status))


def _import(module: str) -> None:
    """Import what the module imports. It is executed as ``__main__`` in the new process only.

    What cannot be imported fails there, too, and says why.
    """
    before = set(sys.modules)
    with contextlib.suppress(Exception):
        importlib.import_module(module)
    sys.modules.pop(module, None)
    if found := sys.modules.keys() - before:
        _rehearse(found)
        # Without this, a collection in a new process copies the pages of all these objects.
        gc.collect()
        gc.freeze()


def _rehearse(found: set[str]) -> None:
    """Let libraries do once, for all new processes, what they do at their first use."""
    if "shared.host.host" in found:
        from shared.event_store import postgres  # noqa: F401, PLC0415
        from shared.http.app import create_app  # noqa: PLC0415

        create_app("rehearsal", [])
        importlib.import_module("anyio._backends._asyncio")
    if "aiobotocore.client" in found:
        asyncio.run(_open_s3_client())


async def _open_s3_client() -> None:
    from shared.blobs.s3 import s3_client  # noqa: PLC0415

    async with s3_client("http://localhost", "us-east-1", "unused", "unused"):
        return


def _become(module: str, request: int, output: int, errors: int) -> None:
    """Make a new process independent of the server, except that it ends with the server."""
    with open(request, "rb") as sent:
        asked = msgspec.json.decode(sent.read(), type=Request)
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(errors, 2)
    os.closerange(3, 1024)
    kernel = ctypes.CDLL(None)
    kernel.prctl(_SET_PDEATHSIG, int(signal.SIGTERM))
    # What `top` shows: the command line is the server's.
    name = " ".join((module.removeprefix("services."), *asked.arguments))
    kernel.prctl(_SET_NAME, name.encode())
    os.environ.clear()
    os.environ.update(asked.environment)
    os.chdir(asked.folder)
    sys.argv = [module, *asked.arguments]


def _report(status: socket.socket, *numbers: int) -> None:
    """Send numbers to the client, if it is still there."""
    try:
        status.send(" ".join(map(str, numbers)).encode())
    except OSError:
        return


if __name__ == "__main__":
    main()
