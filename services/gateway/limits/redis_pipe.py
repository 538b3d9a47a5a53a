"""One Redis connection that pipelines by itself.

Commands of one turn of the event loop leave in one write, replies come back in order, so
a check costs microseconds instead of a client's hundreds. When Redis is gone or slower
than `timeout`, every waiting caller hears so at once, and the connection is made anew in
the background.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import hiredis

Reply = Any
Future = asyncio.Future


class RedisGone(Exception):
    """No connection, or no answer in time."""


def _packed(command: tuple[bytes | str | int, ...]) -> bytes:
    return hiredis.pack_command(command)  # pyright: ignore[reportArgumentType] - its stub is wrong


class _Wire(asyncio.Protocol):
    """The bytes of one connection."""

    transport: asyncio.Transport

    def __init__(self, loop: asyncio.AbstractEventLoop, lost: Callable[["_Wire", str], None]):
        self._loop = loop
        self._lost = lost
        self._reader = hiredis.Reader()
        self._out: list[bytes] = []
        self.waiting: deque[tuple[Future[Reply], float]] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        reader, waiting = self._reader, self.waiting
        reader.feed(data)
        try:
            while (reply := reader.gets()) is not False:
                future, _ = waiting.popleft()
                if future.done():
                    continue
                if isinstance(reply, Exception):
                    future.set_exception(reply)
                else:
                    future.set_result(reply)
        except (hiredis.ProtocolError, IndexError) as error:
            self._lost(self, f"not Redis: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(self, str(exc) if exc else "connection closed")

    def send(self, packed: bytes) -> "Future[Reply]":
        future: Future[Reply] = self._loop.create_future()
        self.waiting.append((future, self._loop.time()))
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(packed)
        return future

    def _flush(self) -> None:
        out = self._out
        self.transport.write(out[0] if len(out) == 1 else b"".join(out))
        out.clear()

    def fail(self, reason: str) -> None:
        for future, _ in self.waiting:
            if not future.done():
                future.set_exception(RedisGone(reason))
        self.waiting.clear()
        self.transport.abort()


class RedisPipe:
    """The connection, kept up. `prepare` runs after each connect, before anyone else's command.

    `timeout`: seconds an answer may take. `changed(up, reason)` is told of every turn.
    """

    def __init__(self, url: str, *, timeout: float = 0.5, longest_pause: float = 1.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("redis", "rediss") or not parts.hostname:
            raise ValueError("expected redis://[user:password@]host[:port][/db]")
        self._host, self._port = parts.hostname, parts.port or 6379
        self._tls = ssl.create_default_context() if parts.scheme == "rediss" else None
        self._hello: list[tuple[bytes | str, ...]] = []
        if parts.password:
            who = (unquote(parts.username),) if parts.username else ()
            self._hello.append(("AUTH", *who, unquote(parts.password)))
        if parts.path.strip("/"):
            self._hello.append(("SELECT", parts.path.strip("/")))
        self._hello.append(("PING",))
        self._timeout = timeout
        self._longest_pause = longest_pause
        self._wire: _Wire | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._suspect: Future[Reply] | None = None
        self._tried = asyncio.Event()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.changed: Callable[[bool, str], None] = lambda _up, _reason: None

    @property
    def ready(self) -> bool:
        """Whether commands are answered now, as far as is known."""
        return self._wire is not None

    async def start(self) -> None:
        """Connect, and keep trying in the background; returns after the first try."""
        self._task = asyncio.create_task(self._keep_up())
        await self._tried.wait()

    async def stop(self) -> None:
        """Hang up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()
        if self._wire is not None:
            wire, self._wire = self._wire, None
            wire.fail("stopping")

    def call(self, packed: bytes) -> "Future[Reply]":
        """Send a command that is already in Redis' wire format. RedisGone at once or later."""
        wire = self._wire
        if wire is None:
            raise RedisGone("not connected")
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._timeout, self._look)
        return wire.send(packed)

    def execute(self, *command: bytes | str | int) -> "Future[Reply]":
        """Send a command."""
        return self.call(_packed(command))

    def _look(self) -> None:
        """Give up when the oldest question is overdue twice in a row: once may be our own delay."""
        loop = asyncio.get_running_loop()
        self._timer = None
        wire = self._wire
        if wire is None or not wire.waiting:
            self._suspect = None
            return
        oldest, asked = wire.waiting[0]
        left = asked + self._timeout - loop.time()
        if left <= 0:
            if self._suspect is oldest:
                self._lost(wire, "too slow")
                return
            self._suspect = oldest
            left = self._timeout / 4
        self._timer = loop.call_later(left, self._look)

    def _lost(self, wire: _Wire, reason: str) -> None:
        current = wire is self._wire
        if current:
            self._wire = None
        wire.fail(reason)
        if current:
            self._wake.set()
            self.changed(False, reason)

    async def _connect(self) -> _Wire:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._timeout * 5):
            _, wire = await loop.create_connection(
                lambda: _Wire(loop, self._lost), self._host, self._port, ssl=self._tls
            )
        try:
            async with asyncio.timeout(self._timeout):
                for command in self._hello:
                    await wire.send(_packed(command))
        except BaseException:
            wire.fail("no answer")
            raise
        return wire

    async def _keep_up(self) -> None:
        pause = 0.05
        while True:
            try:
                self._wire = await self._connect()
            except (OSError, TimeoutError, RedisGone, hiredis.HiredisError) as error:
                self._tried.set()
                self.changed(False, str(error) or "no answer in time")
                await asyncio.sleep(pause)
                pause = min(self._longest_pause, pause * 2)
                continue
            pause = 0.05
            self._wake.clear()
            self._tried.set()
            self.changed(True, "")
            await self._wake.wait()
