"""One connection of a small HTTP/1.1 client that streams both ways with back-pressure.

A general client would cost more than all other work on a request. Parsing is llhttp's
(``httptools``). The rules here and in ``h1_pool``:

- A response ends by its length, its last chunk or, with neither, by the close (RFC 9112 §6.3).
  Any other end is an error, never a shorter body.
- A connection returns to the pool only after a whole exchange with no bytes left over.
- A request is sent a second time only where it is idempotent, its connection came from the pool
  and not one byte was returned (RFC 9110 §9.2.2).
- Reading stops while the reader is behind; a body is sent only as fast as the peer takes it.
- Hop-by-hop headers and trailers are not passed on (RFC 9110 §7.6.1).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol, cast

import httptools

from services.gateway.http1.h1_errors import Abandoned, BadAnswer, Stale

HIGH_WATER: Final = 256 * 1024  # bytes read ahead of the reader, or written ahead of the peer
READ_AHEAD: Final = 1024 * 1024  # the same while the reader stalls
WHOLE: Final = 64 * 1024  # a body with a length up to this is delivered in one piece
MAX_HEAD: Final = 64 * 1024
HOP_BY_HOP: Final = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer"
    b" transfer-encoding upgrade".split()
)
_PLAIN_CONNECTION: Final = frozenset((b"keep-alive", b"close"))

Future = asyncio.Future


class ConnectionOwner(Protocol):
    """The owner of connections."""

    def released(self, connection: "Connection") -> None:
        """The connection's exchange has ended, or the connection itself."""
        ...


class Response:
    """An answer that may still arrive. Its user reads it to the end or calls ``close``."""

    # Defaults of the class, because an object is made for every request and most values stay.
    status = 0
    complete = False
    _most = HIGH_WATER
    _size = 0
    _error: Exception | None = None
    _waiter: Future[None] | None = None
    _connection: "Connection | None" = None

    def __init__(
        self,
        started: Future[None],
        timeout: float,
        without_body: bool,
        on_slow: Callable[["Response"], None] | None,
    ) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.started = started
        self.timeout = timeout
        self.without_body = without_body
        self.on_slow = on_slow
        self._chunks: list[bytes] = []

    def body(self) -> bytes:
        """The bytes that have arrived and were not read yet; all of them where ``complete``."""
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._size = 0
        return data

    async def read(self) -> bytes:
        """The next bytes, b"" at the end. Raises UpstreamError where the answer breaks off."""
        while not self._chunks:
            if self._error is not None:
                raise self._error
            if self.complete:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        data = self.body()
        if self._connection is not None:
            self._connection.resume()
        return data

    def release(self) -> None:
        """Read further ahead of a reader that has stalled, so that the upstream may be done."""
        self._most = READ_AHEAD
        if self._connection is not None:
            self._connection.resume()

    def close(self) -> None:
        """Stop reading. A connection with an unfinished answer is ended."""
        if self._connection is not None:
            self._connection.fail(Abandoned())

    # The connection calls the rest.

    def attach(self, connection: "Connection") -> None:
        self._connection = connection

    def push(self, data: bytes) -> bool:
        """Keep ``data``; returns whether the reader is too far behind."""
        self._chunks.append(data)
        self._size += len(data)
        self._wake()
        return self._size > self._most

    def end(self, error: Exception | None) -> None:
        self._connection = None
        self.complete = error is None
        self._error = error
        if not self.started.done():
            if error is None:
                self.started.set_result(None)
            else:
                self.started.set_exception(error)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Connection(asyncio.Protocol):
    """One connection. ``response`` is that of the current exchange, None while idle."""

    transport: asyncio.Transport

    def __init__(self, owner: ConnectionOwner) -> None:
        self.owner = owner
        self.response: Response | None = None
        self.closed = False
        self.used = False  # has finished an exchange before
        self.quiet = 0.0  # seconds without a byte
        self.sending = False  # a part of the body is not sent yet
        self.full = False  # the peer takes no more bytes for now
        self._parser: httptools.HttpResponseParser | None = None
        self._head = 0  # bytes of the head so far, -1 once the head is complete
        self._length = -1  # Content-Length of the answer, -1 without one
        self._returned = self._finished = self._keep = self._framed = self._paused = False
        self._nominated: set[bytes] = set()
        self._drained: Future[None] | None = None

    def begin(self, response: Response, data: bytes, sending: bool) -> None:
        self.response = response
        response.attach(self)
        self.sending = sending
        self.quiet = 0.0
        self._head = 0
        self._length = -1
        self._returned = self._finished = self._keep = self._framed = False
        if self._nominated:
            self._nominated = set()
        if self._parser is None:
            self._parser = httptools.HttpResponseParser(self)
        self.transport.write(data)

    async def send(self, body: AsyncIterator[bytes]) -> None:
        """Send a body at the peer's pace. An error of ``body`` ends the exchange."""
        response = self.response
        assert response is not None
        try:
            async for data in body:
                if self.response is not response:
                    return
                self.quiet = 0.0
                self.transport.write(data)
                if self.full and not self.closed:
                    self._drained = asyncio.get_running_loop().create_future()
                    await self._drained
            self.sending = False
        except Exception as error:
            if self.response is response:
                self.fail(error)

    def resume(self) -> None:
        self.quiet = 0.0
        if self._paused and not self.closed:
            self._paused = False
            self.transport.resume_reading()

    def fail(self, error: Exception) -> None:
        """End the connection, and its exchange with ``error``."""
        response, self.response = self.response, None
        self.closed = True
        self.transport.abort()
        self.owner.released(self)
        if response is not None:
            response.end(error)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=HIGH_WATER)

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def data_received(self, data: bytes) -> None:
        response = self.response
        if response is None or self._parser is None:
            self.fail(BadAnswer("an answer without a request"))
            return
        self.quiet = 0.0
        self._returned = True
        if self._head >= 0:
            self._head += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._parser = None
            self._keep = False  # the answer may be whole, but other bytes follow it
            if not self._finished:
                self.fail(BadAnswer(str(error)))
                return
        if self._finished:
            self._finish(response)
        elif self._head > MAX_HEAD:
            self.fail(BadAnswer("head too large"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self.resume_writing()
        if self.response is None:
            self.owner.released(self)
        elif self._head < 0 and not self._framed and exc is None:
            self._finish(self.response)
        elif self._returned:
            self.fail(BadAnswer("cut off"))
        else:
            self.fail(Stale("closed without an answer"))

    def on_message_begin(self) -> None:
        if self._finished:
            raise ValueError("a second answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head < 0 or self.response is None:
            return  # a trailer
        name = name.lower()
        if name in HOP_BY_HOP:
            if name == b"transfer-encoding":
                self._framed = True
            elif name == b"connection" and value not in _PLAIN_CONNECTION:
                self._nominated.update(token.strip().lower() for token in value.split(b","))
            return
        if name == b"content-length":
            self._framed = True
            self._length = int(value)
        self.response.headers.append((name, value))

    def on_headers_complete(self) -> None:
        response, parser = self.response, self._parser
        assert response is not None
        assert parser is not None
        status = parser.get_status_code()
        if status < 200:
            if status == 101:
                raise ValueError("a protocol without a request for it")
            response.headers.clear()
            self._framed = False
            self._length = -1
            return
        self._head = -1
        response.status = status
        if self._nominated:
            gone = self._nominated
            response.headers = [pair for pair in response.headers if pair[0] not in gone]
        if response.without_body:
            self._finished = True
            self._keep = parser.should_keep_alive()
            self._parser = None  # it would wait for a body of the stated length
        elif not 0 <= self._length <= WHOLE and not response.started.done():
            response.started.set_result(None)

    def on_body(self, body: bytes) -> None:
        response = self.response
        if response is None or response.without_body:
            self._keep = False
        elif response.push(body) and not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._head < 0 and not self._finished:
            self._finished = True
            self._keep = self._parser is not None and self._parser.should_keep_alive()

    def _finish(self, response: Response) -> None:
        self.response = None
        self.resume()
        if not self._keep or self.sending:
            self.closed = True
        if self.closed:
            self.transport.abort()
        self.owner.released(self)
        response.end(None)
