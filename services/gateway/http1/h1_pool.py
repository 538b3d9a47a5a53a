"""The connections of the HTTP/1.1 client to one upstream."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from ssl import SSLContext
from typing import Final

import msgspec

from services.gateway.http1.h1_client import Connection, Future, Response
from services.gateway.http1.h1_errors import Overloaded, SenderStalled, Stale, TimedOut, Unreachable

TICK_SECONDS: Final = 0.25  # between two calls of ``Pool.tick``


class PoolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one pool. Times are in seconds.

    Requests that find all ``connections`` busy wait: at most ``waiting`` of them, for ``wait``.
    ``idle`` must be shorter than the upstream's own, or requests meet connections that close.
    ``sender`` is the time without a byte of a request's body.
    """

    connections: int = 512
    waiting: int = 1024
    wait: float = 5.0
    connect: float = 3.0
    idle: float = 5.0
    sender: float = 60.0


class Pool:
    """Connections to ``host:port``. A pool belongs to the event loop that it is made in."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: SSLContext | None = None,
        limits: PoolLimits | None = None,
    ) -> None:
        self.host, self.port, self.tls = host, port, tls
        self.limits = limits or PoolLimits()
        self.busy: set[Connection] = set()
        self.idle: list[Connection] = []
        self.connecting = 0
        self.waiting: deque[Future[Connection | None]] = deque()
        self._loop = asyncio.get_running_loop()  # in Python 3.11 each call is a system call

    async def request(
        self,
        head: bytes,
        *,
        body: AsyncIterator[bytes] | None = None,
        idempotent: bool = False,
        without_body: bool = False,
        timeout: float = 30.0,
        on_slow: Callable[[Response], None] | None = None,
    ) -> Response:
        """Send ``head``, which may contain a short body, then ``body``; return the begun answer.

        ``body`` yields bytes that are framed for the wire; its errors are raised here.
        ``without_body``: the request is a HEAD. ``timeout``: seconds without a byte from the
        upstream. ``on_slow`` is called once where the answer takes longer than a tick.

        Raises UpstreamError; SenderStalled where ``body`` stops; Abandoned where the response is
        closed before it begins.
        """
        loop = self._loop
        connection = self._idle() or await self._acquire()
        while True:
            response = Response(loop.create_future(), timeout, without_body, on_slow)
            pooled = connection.used
            connection.begin(response, head, body is not None)
            pump = loop.create_task(connection.send(body)) if body is not None else None
            try:
                await response.started
                return response
            except Stale as stale:
                if not (pooled and idempotent and body is None):
                    raise Unreachable(str(stale)) from None
            except BaseException:
                response.close()
                raise
            finally:
                if pump is not None and not pump.done():
                    pump.cancel()  # an early answer: the upstream does not want the rest
            connection = await self._acquire(fresh=True)

    def _idle(self) -> Connection | None:
        while self.idle:
            connection = self.idle.pop()
            if not connection.closed:
                self.busy.add(connection)
                return connection
        return None

    async def _acquire(self, fresh: bool = False) -> Connection:
        if len(self.busy) + self.connecting < self.limits.connections:
            self.connecting += 1
            return await self._connect()
        if len(self.waiting) >= self.limits.waiting:
            raise Overloaded("the queue is full")
        turn: Future[Connection | None] = self._loop.create_future()
        self.waiting.append(turn)
        try:
            async with asyncio.timeout(self.limits.wait):
                given = await turn
        except BaseException as error:
            with contextlib.suppress(ValueError):
                self.waiting.remove(turn)
            if turn.done() and not turn.cancelled() and not turn.exception():
                self._return(turn.result())  # the connection came just too late
            if isinstance(error, TimeoutError):
                raise Overloaded("the queue did not move") from None
            raise
        if given is not None and not given.closed and not fresh:
            return given
        if given is not None:
            self.busy.discard(given)
            self.connecting += 1
            if not given.closed:
                given.fail(Unreachable("a new connection is needed"))
        return await self._connect()

    async def _connect(self) -> Connection:
        """Open a connection. Its place is counted in ``connecting`` already."""
        try:
            async with asyncio.timeout(self.limits.connect):
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self), self.host, self.port, ssl=self.tls
                )
        except BaseException as error:
            self._return(None)
            if isinstance(error, OSError):  # TimeoutError is one
                raise Unreachable(str(error) or "no connection in time") from None
            raise
        self.connecting -= 1
        self.busy.add(connection)
        return connection

    def released(self, connection: Connection) -> None:
        """The connection's exchange has ended, or the connection itself."""
        if connection in self.busy:
            self.busy.discard(connection)
            connection.used = True
            self._pass_on(None if connection.closed else connection)
        elif connection.closed and connection in self.idle:
            self.idle.remove(connection)

    def _return(self, given: Connection | None) -> None:
        if given is not None:
            self.released(given)
        else:
            self.connecting -= 1
            self._pass_on(None)

    def _pass_on(self, connection: Connection | None) -> None:
        """Give the longest-waiting request a connection, or with None the place for a new one."""
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                if connection is not None:
                    self.busy.add(connection)
                else:
                    self.connecting += 1
                turn.set_result(connection)
                return
        if connection is not None:
            connection.quiet = 0.0
            self.idle.append(connection)

    def tick(self) -> None:
        """End connections that are silent or idle for too long. Call it every ``TICK_SECONDS``."""
        for connection in (*self.busy, *self.idle):
            connection.quiet += TICK_SECONDS
            error = self._overdue(connection)
            if error is not None:
                connection.fail(error)
                continue
            response = connection.response
            if response is not None and response.on_slow is not None and not connection.sending:
                on_slow, response.on_slow = response.on_slow, None
                on_slow(response)

    def _overdue(self, connection: Connection) -> Exception | None:
        """Why ``connection`` must end, or None."""
        response = connection.response
        if response is None:
            return Unreachable("idle") if connection.quiet > self.limits.idle else None
        if connection.sending and not connection.full:
            stalled = connection.quiet > self.limits.sender
            return SenderStalled("the body stopped coming") if stalled else None
        if connection.quiet > response.timeout:
            return TimedOut(f"silent for {response.timeout:g} s")
        return None

    def close(self) -> None:
        """End all connections, and the requests that wait for one."""
        for turn in self.waiting:
            if not turn.done():
                turn.set_exception(Unreachable("the gateway is stopping"))
        self.waiting.clear()
        for connection in (*self.busy, *self.idle):
            connection.fail(Unreachable("the gateway is stopping"))
