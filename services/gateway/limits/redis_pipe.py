"""One Redis connection that pipelines by itself.

Commands of one turn of the event loop leave in one write, and replies come back in order: a check
costs microseconds where a general client's costs hundreds. When Redis is gone, or slower than
``timeout``, every waiting caller gets RedisGone.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast
from urllib.parse import unquote, urlsplit

import hiredis

from shared.loops.progress import LoopProgress
from shared.loops.waiting import wait_for_event

# Seconds between two reports that the connection is held.
_HELD_SECONDS: Final = 5.0
# A connection may take this many times as long as an answer.
_CONNECT_FACTOR: Final = 5

Reply = Any
Future = asyncio.Future


class RedisGone(Exception):
    """There is no connection, or no answer in time."""


def _packed(command: tuple[bytes | str | int, ...]) -> bytes:
    return hiredis.pack_command(command)  # pyright: ignore[reportArgumentType] - its stub is wrong


class _Wire(asyncio.Protocol):
    """The bytes of one connection. ``lost`` is called once it is of no more use."""

    transport: asyncio.Transport

    def __init__(self, loop: asyncio.AbstractEventLoop, lost: Callable[["_Wire", str], None]):
        self._loop = loop
        self._lost = lost
        self._reader = hiredis.Reader()
        self._out: list[bytes] = []
        self.waiting: deque[tuple[Future[Reply], float]] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

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
    """The connection. A loop keeps it: it calls ``session`` again whenever that ends.

    ``timeout`` is in seconds, for one answer. ``changed(up, reason)`` is called whenever the
    connection is made, lost, or cannot be made.
    """

    def __init__(self, url: str, *, timeout: float = 0.5) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("redis", "rediss") or not parts.hostname:
            raise ValueError("expected redis://[user:password@]host[:port][/db]")
        self._host, self._port = parts.hostname, parts.port or 6379
        self._tls = ssl.create_default_context() if parts.scheme == "rediss" else None
        self._first_commands: list[tuple[bytes | str, ...]] = []
        if parts.password:
            user = (unquote(parts.username),) if parts.username else ()
            self._first_commands.append(("AUTH", *user, unquote(parts.password)))
        if parts.path.strip("/"):
            self._first_commands.append(("SELECT", parts.path.strip("/")))
        self._first_commands.append(("PING",))
        self._timeout = timeout
        self._wire: _Wire | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._suspect: Future[Reply] | None = None
        self._ended = asyncio.Event()
        self._reason = ""
        self.changed: Callable[[bool, str], None] = lambda _up, _reason: None

    @property
    def ready(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._wire is not None

    async def session(self, progress: LoopProgress) -> None:
        """Connect and hold the connection. Raises RedisGone where it is lost or cannot be made."""
        try:
            wire = await self._connect()
        except (OSError, TimeoutError, RedisGone, hiredis.HiredisError) as error:
            reason = str(error) or "no answer in time"
            self.changed(False, reason)
            raise RedisGone(reason) from error
        self._ended.clear()
        self._wire = wire
        self.changed(True, "")
        try:
            while self._wire is wire:
                progress.came_round()
                await wait_for_event(self._ended, _HELD_SECONDS)
        finally:
            if self._wire is wire:
                self._wire = None
            wire.fail("stopping")
        raise RedisGone(self._reason)

    def call(self, packed: bytes) -> "Future[Reply]":
        """Send a command that is in Redis' wire format. Raises RedisGone, now or from the future.

        The future also raises hiredis.ReplyError, for an error that Redis answers.
        """
        wire = self._wire
        if wire is None:
            raise RedisGone("not connected")
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._timeout, self._check_oldest)
        return wire.send(packed)

    def execute(self, *command: bytes | str | int) -> "Future[Reply]":
        """Send a command (see ``call``)."""
        return self.call(_packed(command))

    def _check_oldest(self) -> None:
        """Drop the connection where the oldest question is overdue at two checks in a row.

        Overdue once may be this process's own delay.
        """
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
        self._timer = loop.call_later(left, self._check_oldest)

    def _lost(self, wire: _Wire, reason: str) -> None:
        """End ``wire``. Only the connection in use changes whether there is one."""
        in_use = wire is self._wire
        if in_use:
            self._wire = None
        wire.fail(reason)
        if in_use:
            self._reason = reason
            self._ended.set()
            self.changed(False, reason)

    async def _connect(self) -> _Wire:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._timeout * _CONNECT_FACTOR):
            _, wire = await loop.create_connection(
                lambda: _Wire(loop, self._lost), self._host, self._port, ssl=self._tls
            )
        try:
            async with asyncio.timeout(self._timeout):
                for command in self._first_commands:
                    await wire.send(_packed(command))
        except BaseException:
            wire.fail("no answer")
            raise
        return wire
