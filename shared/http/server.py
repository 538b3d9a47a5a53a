"""Serves an ASGI application with Granian inside this process's own event loop.

Granian's multi-process server shares its port silently with an older instance, and at a stop it
waits for open streams without end. Embedded, it is as fast and this module decides both: a port in
use is an error. At SIGTERM connections are drained, the listener closes, event streams end (their
clients reconnect), requests get ``drain_seconds``, the remaining ones are cancelled, and resources
close last.
"""

import asyncio
import contextlib
import errno
import os
import resource
import signal
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from shared import telemetry
from shared.loops.cancellation import TaskDidNotEnd
from shared.settings import Address, SettingsError
from shared.telemetry import get_logger

DRAIN_SECONDS: Final = 10.0
LEAVING_SECONDS: Final = 3.0
HEAD_SECONDS: Final = 10.0
_QUIET_SECONDS: Final = 0.25
_MAX_HEAD: Final = 64 * 1024 + 8192
BACKLOG: Final = 1024
CONNECTIONS: Final = 16_384
"""A limit that also counts idle keep-alive connections: keep it above the expected peak."""

_EVENT_STREAM: Final = (b"accept", b"text/event-stream")


def serve(
    factory: Callable[[], ASGIApp],
    bind: Address,
    *,
    drain_seconds: float = DRAIN_SECONDS,
    connections: int = CONNECTIONS,
) -> None:
    """Serve the application that ``factory`` creates until SIGTERM or SIGINT.

    ``factory`` is called inside the running event loop. Raises SettingsError if the port is in
    use.
    """

    async def main() -> None:
        stop = stop_on_signals()
        async with serving(factory(), bind, drain_seconds=drain_seconds, connections=connections):
            await stop.wait()

    run(main)


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run a process's asynchronous main on uvloop, then send the remaining spans."""

    async def whole() -> None:
        try:
            await main()
        except TaskDidNotEnd as error:
            # The event loop would wait for that task without end.
            get_logger("http.server").error("a task does not end", reason=str(error))
            telemetry.shutdown()
            os._exit(1)

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(whole())
    finally:
        telemetry.shutdown()


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM or SIGINT sets."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


@asynccontextmanager
async def serving(
    app: ASGIApp,
    bind: Address,
    *,
    drain_seconds: float = DRAIN_SECONDS,
    leaving_seconds: float = LEAVING_SECONDS,
    head_seconds: float = HEAD_SECONDS,
    connections: int = CONNECTIONS,
) -> AsyncGenerator[None]:
    """Serve ``app`` while the context is entered; drain when it is left, as described above.

    Connections are drained for ``leaving_seconds``. A connection is closed if a request's head is
    not complete after ``head_seconds``.

    Processes that are not HTTP services use this for /health, /ready and /metrics.
    """
    refuse_taken_port(bind)
    log = get_logger("http.server")
    tracked = _Tracked(app)
    async with lifespan(app):
        server = Server(
            tracked,
            address=bind.host,
            port=bind.port,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(
                header_read_timeout=int(head_seconds * 1000), max_buffer_size=_MAX_HEAD
            ),
            websockets=False,
            backlog=BACKLOG,
            backpressure=_within_open_files(connections),
            log_enabled=False,
        )
        running = asyncio.create_task(server.serve())
        running.add_done_callback(_end_process)
        try:
            await _until_it_listens(bind, running)
            log.info("listening", address=str(bind))
            yield
        finally:
            log.info("draining", requests=len(tracked.tasks))
            running.remove_done_callback(_end_process)
            await _drain_connections(tracked, leaving_seconds)
            server.stop()
            await _drain(running, tracked, drain_seconds)
            log.info("stopped")


serve_embedded = serving
"""The name says what it is for a process whose work is not HTTP."""


def refuse_taken_port(bind: Address) -> None:
    """Raises SettingsError if another process listens on ``bind``."""
    family = socket.AF_INET6 if ":" in bind.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind.host, bind.port))
        except OSError as error:
            reason = "is already in use" if error.errno == errno.EADDRINUSE else str(error)
            raise SettingsError(f"BIND: {bind} {reason}") from None


def _within_open_files(connections: int) -> int:
    """At most half of the files that this process may open: a gateway opens two per request."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return connections if most == resource.RLIM_INFINITY else min(connections, most // 2)


async def _until_it_listens(bind: Address, running: asyncio.Task[None]) -> None:
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind.host, bind.host)  # noqa: S104
    while not running.done():
        try:
            _, writer = await asyncio.open_connection(here, bind.port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return
    running.result()
    raise RuntimeError("the server ended before it listened")


def _end_process(_running: asyncio.Task[None]) -> None:
    """End the process whose server has ended by itself, so that its supervisor restarts it."""
    get_logger("http.server").error("the server ended by itself")
    signal.raise_signal(signal.SIGTERM)


class _Tracked:
    """Tracks the requests in progress, so that they can be cancelled after the drain."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._loop = asyncio.get_running_loop()
        self.tasks: set[asyncio.Task[Any]] = set()
        self.listeners: set[asyncio.Task[Any]] = set()
        self.requests = 0
        self.draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.requests += 1
        if self.draining:
            send = _closing_send(send)
        task = asyncio.current_task(self._loop)
        if task is None:
            await self._app(scope, receive, send)
            return
        self.tasks.add(task)
        if _EVENT_STREAM in scope["headers"]:
            self.listeners.add(task)
        try:
            await self._app(scope, receive, send)
        finally:
            self.tasks.discard(task)
            self.listeners.discard(task)


def _closing_send(send: Send) -> Send:
    async def last(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await send(message)

    return last


async def _drain_connections(tracked: _Tracked, seconds: float) -> None:
    """Answer with ``Connection: close`` until requests cease, for ``seconds`` at most.

    A request may already be on its way on an idle connection, and would be lost if the server
    closed it (RFC 9112, section 9.5). A client that reads ``Connection: close`` sends its next
    request on a new connection, to another replica.
    """
    loop = asyncio.get_running_loop()
    tracked.draining = True
    seen, until = -1, loop.time() + seconds
    while tracked.requests != seen and loop.time() < until:
        seen = tracked.requests
        await asyncio.sleep(_QUIET_SECONDS)


async def _drain(running: asyncio.Task[None], tracked: _Tracked, seconds: float) -> None:
    for task in list(tracked.listeners):
        task.cancel()
    done, _ = await asyncio.wait({running}, timeout=seconds)
    if not done:
        for task in list(tracked.tasks):
            task.cancel()
        done, _ = await asyncio.wait({running}, timeout=2)
    if not done:
        running.cancel()
        await asyncio.wait({running}, timeout=2)
    elif (error := running.exception()) is not None:
        get_logger("http.server").warning("the server did not stop cleanly", reason=repr(error))


@asynccontextmanager
async def lifespan(app: ASGIApp) -> AsyncGenerator[None]:
    """The server's side of the ASGI lifespan protocol. Raises if the start fails."""
    to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    scope: Any = {
        "type": "lifespan",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "state": {},
    }
    receive: Any = to_app.get
    send: Any = from_app.put
    task = asyncio.ensure_future(app(scope, receive, send))

    async def step(name: str) -> None:
        await to_app.put({"type": f"lifespan.{name}"})
        answer = asyncio.ensure_future(from_app.get())
        await asyncio.wait({answer, task}, return_when=asyncio.FIRST_COMPLETED)
        if answer.done() and answer.result()["type"] == f"lifespan.{name}.complete":
            return
        answer.cancel()
        try:
            await task
        except ExceptionGroup as group:
            raise _only(group) from group
        raise RuntimeError(f"the application's {name} did not complete")

    await step("startup")
    try:
        yield
    finally:
        await step("shutdown")
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _only(group: ExceptionGroup[Exception]) -> Exception:
    """The only error of a group. Litestar starts inside a task group, which wraps errors."""
    only: Any = group
    while isinstance(only, ExceptionGroup) and len(cast("Any", only).exceptions) == 1:
        only = cast("Any", only).exceptions[0]
    return cast("Exception", only)
