"""One request on its way through the gateway: what is known of it, and how it is answered."""

import asyncio
from collections.abc import Awaitable
from typing import Any, cast

from litestar.types import HTTPScope, Message, Receive, Send

from services.gateway import security_headers
from services.gateway.http1.h1_client import Response
from services.gateway.http1.request_body import ClientGone
from services.gateway.observability.tracing import Trace
from services.gateway.request.request_headers import RequestHeaders

Headers = list[tuple[bytes, bytes]]

# The services say these for themselves; outside, the gateway's word counts.
_REPLACED = frozenset(
    b"date server trace-id server-timing x-request-id ratelimit ratelimit-policy"
    b" access-control-allow-origin access-control-expose-headers x-content-type-options"
    b" referrer-policy x-frame-options strict-transport-security content-security-policy".split()
)


class Exchange:
    """`extra` are the headers that every answer gets, whoever gives it."""

    __slots__ = (
        "_failures",
        "_receive",
        "_send",
        "_watcher",
        "client",
        "extra",
        "gone",
        "method",
        "path",
        "query",
        "request_headers",
        "route",
        "scope",
        "secure",
        "sent",
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
        failures: security_headers.Failures,
    ) -> None:
        self.scope = scope
        self._failures = failures
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
        self.secure = False
        self.extra: Headers = [
            (b"trace-id", trace.trace_id),
            (b"server-timing", b'traceparent;desc="%b"' % trace.traceparent),
        ]
        self.status = 0
        self.sent = 0
        self.started = False
        self.gone = False
        self._watcher: asyncio.Task[None] | None = None

    def header(self, name: bytes) -> bytes:
        """A request header's value, b"" if it is not there."""
        for found, value in self.scope["headers"]:
            if found == name:
                return value
        return b""

    async def receive(self) -> Any:
        """The next part of the request."""
        return await self._receive()

    async def answer(self, status: int, headers: Headers, body: bytes = b"") -> None:
        """The whole answer. A HEAD gets no body."""
        if self.method == "HEAD":
            body = b""
        self.started = True
        self.status = status
        self.sent = len(body)
        headers += self.extra
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    def fail(self, status: int, *more: tuple[bytes, bytes]) -> Awaitable[None]:
        """A failure in the envelope."""
        security = security_headers.API_TLS if self.secure else security_headers.API
        headers, body = self._failures.of(status, self.trace.trace_id)
        return self.answer(status, [*headers, *security, *more], body)

    async def start(self, status: int, headers: Headers) -> None:
        """The answer's head."""
        self.started = True
        self.status = status
        headers += self.extra
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    def relay(self, response: Response, security: Headers) -> Awaitable[None]:
        """Pass on a service's answer, as it comes."""
        headers = [pair for pair in response.headers if pair[0] not in _REPLACED]
        headers += security
        return self.stream(response, headers)

    async def stream(self, response: Response, headers: Headers) -> None:
        """Answer with a response's status and body, under `headers`."""
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
        await self.start(response.status, headers)
        send = self._send
        while data := await response.read():
            self.sent += len(data)
            await send({"type": "http.response.body", "body": data, "more_body": True})
            if self.gone:
                raise ClientGone
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def through(self, message: Message) -> None:
        """The ASGI `send` for an application behind the gateway's own routes."""
        if message["type"] == "http.response.start":
            headers = [pair for pair in message["headers"] if pair[0] not in _REPLACED]
            headers += security_headers.page_headers(security_headers.DOCS_POLICY, self.secure)
            await self.start(message["status"], cast(Headers, headers))
            return
        if message["type"] == "http.response.body":
            self.sent += len(message.get("body", b""))
        await self._send(message)

    def watch(self, response: Response) -> None:
        """From now on, a client that hangs up ends `response`."""
        if self._watcher is None:
            self._watcher = asyncio.get_running_loop().create_task(self._watch(response))

    def unwatch(self) -> None:
        """The answer is over."""
        if self._watcher is not None:
            self._watcher.cancel()

    async def _watch(self, response: Response) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        response.close()
