"""The other half of the HTTP/1.1 client: connections to one upstream, kept and shared out."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from ssl import SSLContext

from services.gateway.http1.h1_client import (
    Connection,
    Future,
    Overloaded,
    Response,
    SenderStalled,
    Stale,
    TimedOut,
    Unreachable,
)

TICK = 0.25  # seconds between two looks at the clock


class Pool:
    """At most `max_connections` to one upstream, with a queue of `max_waiting`. Times in seconds.

    Belongs to the event loop it is made in.

    `idle_timeout` must be shorter than the upstream's, or requests meet closing connections.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: SSLContext | None = None,
        max_connections: int = 512,
        max_waiting: int = 1024,
        wait_timeout: float = 5.0,
        connect_timeout: float = 3.0,
        idle_timeout: float = 5.0,
        sender_timeout: float = 60.0,
    ) -> None:
        self.host, self.port, self.tls = host, port, tls
        self.max_connections, self.max_waiting = max_connections, max_waiting
        self.wait_timeout, self.connect_timeout = wait_timeout, connect_timeout
        self.idle_timeout, self.sender_timeout = idle_timeout, sender_timeout
        self.busy: set[Connection] = set()
        self.idle: list[Connection] = []
        self.connecting = 0
        self.waiting: deque[Future[Connection | None]] = deque()
        self._loop = asyncio.get_running_loop()  # asking for it costs a system call each time

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
        """Send `head` (a short body may follow in it), then `body`; return when the answer begins.

        `body` yields bytes already framed for the wire; what it raises is raised here.
        `without_body`: the answer to a HEAD. `timeout`: without a byte from the upstream.
        `on_slow` is called once when the answer takes longer than a tick.
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
                    pump.cancel()  # answered early: the rest is not wanted
            connection = await self._acquire(fresh=True)

    def _idle(self) -> Connection | None:
        while self.idle:
            connection = self.idle.pop()
            if not connection.closed:
                self.busy.add(connection)
                return connection
        return None

    async def _acquire(self, fresh: bool = False) -> Connection:
        if len(self.busy) + self.connecting < self.max_connections:
            self.connecting += 1
            return await self._connect()
        if len(self.waiting) >= self.max_waiting:
            raise Overloaded("the queue is full")
        turn: Future[Connection | None] = self._loop.create_future()
        self.waiting.append(turn)
        try:
            async with asyncio.timeout(self.wait_timeout):
                given = await turn
        except BaseException as error:
            with contextlib.suppress(ValueError):
                self.waiting.remove(turn)
            if turn.done() and not turn.cancelled() and not turn.exception():
                self._return(turn.result())  # our turn came just too late
            if isinstance(error, TimeoutError):
                raise Overloaded("the queue did not move") from None
            raise
        if given is not None and not given.closed and not fresh:
            return given
        if given is not None:
            self.busy.discard(given)
            self.connecting += 1
            if not given.closed:
                given.fail(Unreachable("a fresh one is needed"))
        return await self._connect()

    async def _connect(self) -> Connection:
        """Open one in the place already counted in `connecting`."""
        try:
            async with asyncio.timeout(self.connect_timeout):
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
        """A connection's exchange is over, or the connection itself."""
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
        """Give a free connection, or the place for a new one, to whoever waited longest."""
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
        """Every TICK seconds: end what is silent for too long, close what idles for too long."""
        for connection in (*self.busy, *self.idle):
            response = connection.response
            connection.quiet += TICK
            if response is None:
                if connection.quiet > self.idle_timeout:
                    connection.fail(Unreachable("idle"))
            elif connection.sending and not connection.full:
                if connection.quiet > self.sender_timeout:
                    connection.fail(SenderStalled("the body stopped coming"))
            elif connection.quiet > response.timeout:
                connection.fail(TimedOut(f"silent for {response.timeout:g} s"))
            elif response.on_slow is not None and not connection.sending:
                on_slow, response.on_slow = response.on_slow, None
                on_slow(response)

    def close(self) -> None:
        """End every connection, and the wait of whoever waits for one."""
        for turn in self.waiting:
            if not turn.done():
                turn.set_exception(Unreachable("the gateway is stopping"))
        self.waiting.clear()
        for connection in (*self.busy, *self.idle):
            connection.fail(Unreachable("the gateway is stopping"))
