"""The path of every request, step by step.

Read the headers → refuse what is malformed → find the route → identify the caller → take a token
→ let the route's handler answer. This is a plain ASGI application, because a framework's routing
would cost as much as all of these steps.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import Final

from litestar.types import HTTPScope, Receive, Scope, Send

from services.gateway import security_headers
from services.gateway.http1 import request_body
from services.gateway.limits import misses
from services.gateway.limits.connections import Connections
from services.gateway.limits.open_requests import RETRY_SECONDS, OpenRequests
from services.gateway.limits.rate_limit import RateLimiter
from services.gateway.proxy.error_answers import answer_error
from services.gateway.proxy.observer import METHODS, RequestObserver
from services.gateway.request import paths
from services.gateway.request.callers import Buckets, Callers
from services.gateway.request.error_bodies import ErrorBodies
from services.gateway.request.exchange import Exchange, ReaderStalled
from services.gateway.request.request_headers import RequestHeaders
from services.gateway.request.routes import NotAllowed, Open, Policy, Route, Router, Target, Unknown
from services.gateway.security_headers import Cors
from shared.http.lingering import Lingering

_NO_ROUTE: Final = Unknown()
_HOST: Final = re.compile(rb"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?\Z")

Handler = Callable[[Exchange, Route], Awaitable[None]]


class Gateway:
    """The ASGI application. ``handlers`` answer the requests of each target."""

    def __init__(
        self,
        *,
        router: Router,
        callers: Callers,
        limiter: RateLimiter,
        open_requests: OpenRequests,
        connections: Connections,
        handlers: Mapping[Target, Handler],
        cors: Cors,
        observer: RequestObserver,
    ) -> None:
        self._router = router
        self._callers = callers
        self._limiter = limiter
        self._open_requests = open_requests
        self._connections = connections
        self._handlers = handlers
        self._cors = cors
        self._observer = observer
        self._error_bodies = ErrorBodies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._connections.enter(scope["client"])
            try:
                await self._answer(scope, receive, send)
            finally:
                self._connections.leave(scope["client"])
        elif scope["type"] == "lifespan":
            # The process opens and closes what the gateway uses, so there is nothing to do here.
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        begun = perf_counter()
        request_headers = RequestHeaders(scope["headers"])
        trace = self._observer.begin(scope["method"], request_headers.traceparent)
        lingering = None
        if request_headers.chunked or request_headers.length > request_body.WHOLE:
            lingering = Lingering(receive, send, request_headers.length)
            receive, send = lingering.receive, lingering.send
        exchange = Exchange(scope, receive, send, request_headers, trace, self._error_bodies)
        try:
            await self._handle(exchange)
        except Exception as error:
            if isinstance(error, ReaderStalled):
                self._connections.hang_up(scope["client"])
            await answer_error(exchange, error)
        finally:
            exchange.unwatch()
            self._observer.end(exchange, perf_counter() - begun)
        if lingering is not None:
            await self._end(exchange, lingering)

    async def _end(self, exchange: Exchange, lingering: Lingering) -> None:
        """What is read of a refused body keeps a connection, so it has a place or is not read."""
        kind = Open.REFUSED
        if not lingering.has_more or self._open_requests.enter(kind, exchange) is not None:
            await lingering.end()
            return
        try:
            await lingering.finish()
        finally:
            self._open_requests.leave(kind, exchange)

    async def _handle(self, exchange: Exchange) -> None:
        self._callers.locate(exchange)
        exchange.extra += self._cors.headers(exchange.request_headers.origin)
        refusal = _refusal(exchange)
        found = _NO_ROUTE if refusal else self._router.match(exchange.method, exchange.path)
        is_route = isinstance(found, Route)
        if exchange.request_headers.authorization and not (
            is_route and found.policy is Policy.AUTH
        ):
            await self._callers.authenticate(exchange)
        if is_route:
            buckets = self._callers.buckets(exchange, found)
        else:
            buckets = ((Policy.GENERAL, exchange.user or exchange.client),)
        if not await self._take(exchange, buckets):
            await exchange.fail(429)
        elif refusal:
            await exchange.fail(refusal)
        elif exchange.method == "OPTIONS" and _is_preflight(exchange):
            await self._answer_preflight(exchange)
        elif isinstance(found, Route):
            await self._dispatch(exchange, found)
        elif isinstance(found, NotAllowed):
            await self._name_methods(exchange, found)
        else:
            await exchange.fail(404)

    async def _take(self, exchange: Exchange, buckets: Buckets) -> bool:
        """Take a token from each bucket, the narrowest first; the answer tells of one of them."""
        allowed, headers = await self._limiter.take(*buckets[0])
        for policy, identity in buckets[1:]:
            if allowed:
                allowed, wider = await self._limiter.take(policy, identity)
                headers = headers if allowed else wider
        exchange.extra += headers
        return allowed

    async def _dispatch(self, exchange: Exchange, route: Route) -> None:
        exchange.route = route.pattern
        exchange.target = route.target.value
        if exchange.request_headers.length > route.body_limit:
            await exchange.fail(413)
            return
        kind = route.opens
        refused = self._open_requests.enter(kind, exchange)
        if refused is not None:
            await exchange.fail(refused, (b"retry-after", b"%d" % RETRY_SECONDS))
            return
        try:
            await self._handlers[route.target](exchange, route)
        finally:
            self._open_requests.leave(kind, exchange)
        if exchange.status in misses.STATUSES and not exchange.joined:
            self._limiter.missed(route.policy, exchange.user or exchange.client)

    async def _name_methods(self, exchange: Exchange, found: NotAllowed) -> None:
        """The answer to OPTIONS and to a wrong method says the same."""
        allow = (b"allow", found.allowed.encode())
        if exchange.method == "OPTIONS":
            security = security_headers.API_TLS if exchange.secure else security_headers.API
            await exchange.answer(204, [allow, *security])
        else:
            await exchange.fail(405, allow)

    async def _answer_preflight(self, exchange: Exchange) -> None:
        asked = exchange.header(b"access-control-request-headers")
        allowed = self._cors.preflight(exchange.request_headers.origin, asked)
        headers = [pair for pair in allowed if pair not in exchange.extra]
        await exchange.answer(204, [*headers, *security_headers.API])


def _refusal(exchange: Exchange) -> int:
    """0, or the status to refuse a malformed request with."""
    if exchange.method not in METHODS:
        return 501
    headers = exchange.request_headers
    if headers.refusal:
        return headers.refusal
    if _HOST.match(headers.host) is None:
        return 400
    return paths.refusal(exchange.path, exchange.query)


def _is_preflight(exchange: Exchange) -> bool:
    asked = exchange.header(b"access-control-request-method")
    return bool(exchange.request_headers.origin and asked)
