"""Forwarding of a request to the service that owns its route."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Final

from services.gateway.http1 import request_body
from services.gateway.http1.h1_client import Response
from services.gateway.http1.h1_errors import UpstreamError
from services.gateway.request.exchange import Exchange
from services.gateway.request.routes import DELETED_ACCOUNT, LIVE_CONNECTION, Route, Target
from services.gateway.upstream.upstreams import Upstream, Upstreams

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# The catalog waits for its own events itself.
_WRITERS: Final = frozenset({Target.AUTH, Target.INGEST, Target.TRANSCODER})
_EVENTS: Final = re.compile(rb"[A-Za-z0-9@,-]{1,1000}\Z")
_VIDEOS: Final = re.compile(r"(?:video|upload|transcode|livesession)-([A-Za-z0-9-]+)@")
_SHOW_SECONDS: Final = 1.5
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})


class Forwarder:
    """The handler of all routes that belong to services.

    ``forget`` is called with the id of a video that a request has changed, or with None where it
    has deleted an account. ``live_owner`` finds the replica that has a session.
    """

    def __init__(
        self,
        upstreams: Upstreams,
        forget: Callable[[str | None], None],
        live_owner: Callable[[str], Awaitable[Upstream | None]],
    ) -> None:
        self._upstreams = upstreams
        self._forget = forget
        self._live_owner = live_owner

    async def __call__(self, exchange: Exchange, route: Route) -> None:
        upstream = await self._upstream(exchange, route)
        request_headers = exchange.request_headers
        trace = exchange.trace
        parts = [
            b"%b %b%b%b HTTP/1.1\r\nhost: %b\r\n"
            % (
                exchange.method.encode(),
                exchange.path,
                b"?" if exchange.query else b"",
                exchange.query,
                upstream.authority,
            ),
            *request_headers.lines,
            b"x-request-id: %b\r\ntraceparent: %b\r\n"
            b"x-cinelog-client: %b\r\nx-cinelog-origin: %b\r\n"
            % (
                trace.span_id,
                trace.traceparent,
                exchange.client.encode(),
                exchange.origin,
            ),
        ]
        body = None
        if request_headers.has_body:
            body = await _add_body(parts, exchange, route.body_limit)
        else:
            parts.append(b"content-length: 0\r\n\r\n" if request_headers.length == 0 else b"\r\n")
        response = await upstream.request(
            b"".join(parts),
            body=body,
            idempotent=exchange.method in _IDEMPOTENT,
            without_body=exchange.method == "HEAD",
            timeout=route.timeout,
            on_slow=exchange.watch,
            event_stream=route.event_stream,
        )
        try:
            if exchange.method not in _READING:
                await self._after_write(exchange.method, route, response)
            await exchange.relay(response)
        finally:
            response.close()

    async def _upstream(self, exchange: Exchange, route: Route) -> Upstream:
        if route.pattern == LIVE_CONNECTION and exchange.method != "OPTIONS":
            # The name of a connection begins with the session's id.
            name = exchange.path.rpartition(b"/")[2].decode("ascii", "replace")
            owner = await self._live_owner(name.partition(".")[0])
            if owner is not None:
                return owner
        return self._upstreams[route.target]

    async def _after_write(self, method: str, route: Route, response: Response) -> None:
        """Wait, but not for long, until the catalog shows what another service has appended."""
        wrote = next((value for name, value in response.headers if name == b"x-cinelog-wrote"), b"")
        if not _EVENTS.match(wrote):
            return
        events = wrote.decode()
        if route.target in _WRITERS:
            with suppress(UpstreamError, TimeoutError):
                target = f"/internal/caught-up?events={events}"
                await self._upstreams[Target.CATALOG].get(target, timeout=_SHOW_SECONDS)
        for video in _VIDEOS.findall(events):
            self._forget(video)
        if method == "DELETE" and route.pattern == DELETED_ACCOUNT:
            self._forget(None)


async def _add_body(
    parts: list[bytes], exchange: Exchange, limit: int
) -> AsyncIterator[bytes] | None:
    """End the head for a body. A short body is added whole; a long one is returned to be sent."""
    length = exchange.request_headers.length
    if exchange.request_headers.chunked and limit <= request_body.WHOLE:
        data = await request_body.whole_chunks(exchange.receive, limit)
        parts.append(b"content-length: %d\r\n\r\n%b" % (len(data), data))
        return None
    if exchange.request_headers.chunked:
        parts.append(b"transfer-encoding: chunked\r\n\r\n")
        return request_body.framed(exchange.receive, length, limit)
    parts.append(b"content-length: %d\r\n\r\n" % length)
    if length > request_body.WHOLE:
        return request_body.framed(exchange.receive, length, limit)
    parts.append(await request_body.whole(exchange.receive, length))
    return None
