"""One request on its way through the gateway: what is known of it, and how it is answered."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, cast

from litestar.types import ASGIApp, HTTPScope, Message, Receive, Send

from services.gateway import security_headers
from services.gateway.http1.h1_client import Response
from services.gateway.http1.request_body import ClientGone
from services.gateway.observability.tracing import Trace
from services.gateway.request.error_bodies import ErrorBodies, Failure
from services.gateway.request.request_headers import RequestHeaders
from shared.telemetry import continued

Headers = list[tuple[bytes, bytes]]

SLOW_SECONDS: Final = 1.0
"""Seconds without a piece of an answer taken after which its reader counts as stalled."""
STALL_SECONDS: Final = 30.0
"""Seconds without a piece of an answer taken after which the answer is cut."""
PIECE: Final = 64 * 1024
"""Bytes that a reader must take within ``STALL_SECONDS``."""
WHOLE: Final = 256 * 1024
"""Bytes of a body in memory that the server is given at once: each piece costs as much as an
answer. Of a longer one the server holds nearly as much for a reader who stalls."""

# Services set these headers too; the gateway replaces them by its own.
_REPLACED: Final = frozenset(
    b"date server trace-id server-timing x-request-id x-cinelog-wrote x-cinelog-shows"
    b" x-cinelog-apart ratelimit ratelimit-policy access-control-allow-origin"
    b" access-control-allow-credentials access-control-expose-headers x-content-type-options"
    b" referrer-policy x-frame-options strict-transport-security content-security-policy".split()
)


class Source(Protocol):
    """A body that is passed on to a client, who may stop reading."""

    async def read(self) -> bytes:
        """The next bytes, b"" at the end. Raises UpstreamError where it breaks off."""
        ...

    def release(self) -> None:
        """The client has stalled: hold as little as possible for it."""
        ...


class ReaderStalled(Exception):
    """The client does not read the answer."""


class Exchange:
    """A request and its answer.

    ``extra`` are the headers that every answer gets. ``client`` is the caller's
    network identity, ``origin`` the address that the caller used, ``secure`` whether over TLS.
    ``sent`` counts the bytes of the answer's body. ``joined``: its answer was found for another
    request. ``stalled``: the client does not read it now.
    """

    __slots__ = (
        "_error_bodies",
        "_limit",
        "_receive",
        "_send",
        "_watched",
        "_watcher",
        "client",
        "extra",
        "gone",
        "joined",
        "method",
        "origin",
        "path",
        "query",
        "request_headers",
        "route",
        "scope",
        "secure",
        "sent",
        "stalled",
        "started",
        "status",
        "target",
        "trace",
        "user",
    )

    def __init__(  # noqa: PLR0917 - positional because it is made for every request
        self,
        scope: HTTPScope,
        receive: Receive,
        send: Send,
        request_headers: RequestHeaders,
        trace: Trace,
        error_bodies: ErrorBodies,
    ) -> None:
        self.scope = scope
        self._error_bodies = error_bodies
        self._receive = receive
        self._send = send
        self.request_headers = request_headers
        self.trace = trace
        self.method: str = scope["method"]
        self.path = scope["raw_path"]
        self.query = scope["query_string"]
        self.route = "unmatched"
        self.target = ""
        self.client = ""
        self.user = ""
        self.origin = b""
        self.secure = False
        self.extra: Headers = [
            (b"trace-id", trace.trace_id),
            (b"server-timing", b'traceparent;desc="%b"' % trace.traceparent),
        ]
        self.status = 0
        self.sent = 0
        self.started = False
        self.gone = False
        self.joined = False
        self.stalled = False
        self._limit: asyncio.Timeout | None = None
        self._watched: Response | None = None
        self._watcher: asyncio.Task[None] | None = None

    def header(self, name: bytes) -> bytes:
        """The value of a request header, b"" where it is missing."""
        for found, value in self.scope["headers"]:
            if found == name:
                return value
        return b""

    async def receive(self) -> Any:
        """The next part of the request."""
        return await self._receive()

    async def answer(self, status: int, headers: Headers, body: bytes = b"") -> None:
        """Send a whole answer, without its body where the request is a HEAD."""
        if self.method == "HEAD":
            body = b""
        self.started = True
        self.status = status
        self.sent = len(body)
        headers += self.extra
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    def fail(self, failure: int | Failure, *more: tuple[bytes, bytes]) -> Awaitable[None]:
        """Answer with an error in the API's envelope: a status, or a failure of its own kind."""
        security = security_headers.API_TLS if self.secure else security_headers.API
        headers, body = self._error_bodies.of(failure, self.trace.trace_id)
        status = failure.status if isinstance(failure, Failure) else failure
        return self.answer(status, [*headers, *security, *more], body)

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head of an answer."""
        self.started = True
        self.status = status
        headers += self.extra
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    def relay(self, response: Response) -> Awaitable[None]:
        """Pass on a service's response while it arrives."""
        headers = [pair for pair in response.headers if pair[0] not in _REPLACED]
        headers += security_headers.API_TLS if self.secure else security_headers.API
        return self.stream(response, headers)

    async def stream(
        self, response: Response, headers: Headers, source: Source | None = None
    ) -> None:
        """Answer with status and body of ``response``, under ``headers``.

        ``source`` reads a body that has not arrived yet; without one, ``response`` does.

        Raises ClientGone where the client hangs up, ReaderStalled where it does not read, and
        UpstreamError where the response breaks off.
        """
        if response.complete:
            headers += self.extra
            self.started = True
            self.status = response.status
            body = response.body()
            self.sent = len(body)
            await self._send(
                {"type": "http.response.start", "status": response.status, "headers": headers}
            )
            await self._send({"type": "http.response.body", "body": body, "more_body": False})
            return
        self.watch(response)
        await self.send_source(response.status, headers, source or response)

    async def send_source(self, status: int, headers: Headers, source: Source) -> None:
        """Answer with what ``source`` reads.

        Raises ClientGone, ReaderStalled, and UpstreamError where it breaks off.
        """
        await self.start(status, headers)
        while data := await source.read():
            await self._send_part(data, source.release)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def send_whole(self, headers: Headers, body: bytes) -> None:
        """Answer with a body of any size that is held anyway, without one for a HEAD.

        Raises ClientGone, ReaderStalled.
        """
        if len(body) <= WHOLE or self.method == "HEAD":
            await self.answer(200, headers, body)
            return
        await self.start(200, headers)
        await self._send_part(body, _ignore)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_part(self, data: bytes, on_slow: Callable[[], None]) -> None:
        """Send a part of the body. ``on_slow`` is called where the client does not take it.

        Raises ClientGone where the client has hung up, ReaderStalled where it takes too long.
        """
        if len(data) <= PIECE:
            await self._send_piece(data, on_slow)
            return
        for at in range(0, len(data), PIECE):
            await self._send_piece(data[at : at + PIECE], on_slow)

    async def _send_piece(self, piece: bytes, on_slow: Callable[[], None]) -> None:
        def slow() -> None:
            self.stalled = True
            on_slow()

        timer = asyncio.get_running_loop().call_later(SLOW_SECONDS, slow)
        try:
            async with asyncio.timeout(STALL_SECONDS) as self._limit:
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        except TimeoutError:
            raise ReaderStalled from None
        finally:
            timer.cancel()
            self._limit = None
        self.stalled = False
        self.sent += len(piece)
        if self.gone:
            raise ClientGone

    def cut(self) -> None:
        """Let the part that is being sent count as not taken in time."""
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time())

    async def delegate(self, app: ASGIApp) -> None:
        """Let an ASGI application answer, within the request's trace."""
        with continued(self.trace.traceparent.decode()):
            await app(self.scope, self.receive, self._pass_on)

    async def _pass_on(self, message: Message) -> None:
        """The ``send`` of such an application."""
        if message["type"] == "http.response.start":
            headers = [pair for pair in message["headers"] if pair[0] not in _REPLACED]
            headers += security_headers.page_headers(security_headers.DOCS_POLICY, self.secure)
            await self.start(message["status"], cast("Headers", headers))
            return
        if message["type"] == "http.response.body":
            self.sent += len(message.get("body", b""))
        await self._send(message)

    def watch(self, response: Response) -> None:
        """From now on, close ``response``, and no earlier one, where the client hangs up."""
        self._watched = response
        if self._watcher is None:
            self._watcher = asyncio.get_running_loop().create_task(self._watch())
        elif self.gone:
            response.close()

    def unwatch(self) -> None:
        """The answer has ended: stop watching the client."""
        if self._watcher is not None:
            self._watcher.cancel()

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        if self._watched is not None:
            self._watched.close()


def _ignore() -> None:
    """Others read the same bytes, so nothing is released for a slow client."""
