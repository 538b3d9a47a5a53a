"""The hot path: what happens to every request, in order.

Read → refuse what is malformed → find the route → tell who calls → take a token → hand over.
A plain ASGI application, because a framework's routing would cost as much as all of this.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from math import ceil
from time import perf_counter, time

from litestar.types import ASGIApp, Receive, Scope, Send

from services.gateway import security_headers
from services.gateway.http1 import request_body
from services.gateway.http1.h1_client import (
    Abandoned,
    BadAnswer,
    Overloaded,
    SenderStalled,
    TimedOut,
    UpstreamError,
)
from services.gateway.http1.request_body import BodyBroken, BodyTooLarge, BodyTooSlow, ClientGone
from services.gateway.limits.rate_limit import RateLimiter, Rule, rate_limit_headers
from services.gateway.observability.access_log import AccessLog, Entry
from services.gateway.observability.request_metrics import RequestMetrics
from services.gateway.observability.tracing import Tracing
from services.gateway.request import paths
from services.gateway.request.client_address import ClientAddress
from services.gateway.request.exchange import Exchange
from services.gateway.request.request_headers import RequestHeaders
from services.gateway.request.routes import (
    SERVICES,
    NotAllowed,
    Policy,
    Route,
    Router,
    Target,
    Unknown,
)
from services.gateway.security_headers import Cors
from services.gateway.upstream.upstreams import CircuitOpen, Upstreams
from shared.errors import Unauthenticated, Unavailable
from shared.http.identity import Principal, Verifier
from shared.http.lingering import Lingering
from shared.http.metrics import HttpMetrics
from shared.telemetry import continued, get_logger

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
_FORWARDED = frozenset(SERVICES)
_QUIET = frozenset({"/health", "/ready"})
_CLIENT_CLOSED = 499
_NOWHERE = Unknown()
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?\Z")

Handler = Callable[[Exchange], Awaitable[None]]
Lifespan = Callable[[], AbstractAsyncContextManager[None]]


class Gateway:
    """The ASGI application. `origin`: the public address, if it is configured."""

    def __init__(
        self,
        *,
        router: Router,
        rules: Mapping[Policy, Rule],
        limiter: RateLimiter,
        verifier: Verifier,
        addresses: ClientAddress,
        upstreams: Upstreams,
        media: Handler,
        web: Handler,
        own: ASGIApp,
        cors: Cors,
        tracing: Tracing,
        metrics: RequestMetrics | HttpMetrics,
        access_log: AccessLog,
        lifespan: Lifespan,
        origin: str | None = None,
    ) -> None:
        self._router = router
        self._rules = rules
        self._limiter = limiter
        self._verifier = verifier
        self._addresses = addresses
        self._upstreams = upstreams
        self._media = media
        self._web = web
        self._own = own
        self._cors = cors
        self._tracing = tracing
        self._metrics = metrics
        self._access_log = access_log
        self._lifespan = lifespan
        self._failures = security_headers.Failures()
        self._origin = origin.rstrip("/").encode() if origin else b""
        self._secure = self._origin.startswith(b"https://")
        self._log = get_logger("gateway")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            async with self._lifespan():
                await send({"type": "lifespan.startup.complete"})
                await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["type"] != "http":
            return
        begun = perf_counter()
        request_headers = RequestHeaders(scope["headers"])
        trace = self._tracing.begin(scope["method"], request_headers.traceparent)
        lingering = None
        if request_headers.chunked or request_headers.length > request_body.WHOLE:
            lingering = Lingering(receive, send, request_headers.length)
            receive, send = lingering.receive, lingering.send
        exchange = Exchange(scope, receive, send, request_headers, trace, self._failures)
        self._metrics.started()
        try:
            await self._handle(exchange)
        except Exception as error:
            await self._broken(exchange, error)
        finally:
            exchange.unwatch()
            seconds = perf_counter() - begun
            method = exchange.method if exchange.method in _METHODS else "OTHER"
            self._metrics.finished(method, exchange.route, exchange.status, seconds)
            self._tracing.end(trace, method, exchange.route, exchange.status)
            if exchange.route not in _QUIET:
                self._access_log.add(
                    Entry(
                        time(),
                        method,
                        exchange.route,
                        exchange.path,
                        exchange.status,
                        seconds,
                        exchange.sent,
                        exchange.client,
                        exchange.user,
                        exchange.target,
                        trace.trace_id,
                        trace.span_id,
                    )
                )
        if lingering is not None:
            await lingering.finish()

    async def _broken(self, exchange: Exchange, error: Exception) -> None:
        """Answer, whatever happened."""
        try:
            raise error
        except (ClientGone, Abandoned):
            exchange.status = _CLIENT_CLOSED
        except BodyTooLarge:
            await self._fail(exchange, 413)
        except (BodyTooSlow, SenderStalled):
            await self._fail(exchange, 408)
        except BodyBroken:
            await self._fail(exchange, 400)
        except (CircuitOpen, Unavailable) as refused:
            await self._fail(exchange, 503, ceil(refused.retry_after))
        except Overloaded:
            await self._fail(exchange, 503, 1)
        except TimedOut:
            await self._fail(exchange, 504, 2)
        except UpstreamError:
            if exchange.gone:
                exchange.status = _CLIENT_CLOSED
            else:
                await self._fail(exchange, 502, 1, cut=isinstance(error, BadAnswer))
        except Exception:
            trace_id = exchange.trace.trace_id.decode()
            self._log.exception("unexpected", route=exchange.route, trace_id=trace_id)
            await self._fail(exchange, 500)

    async def _fail(
        self, exchange: Exchange, status: int, retry_after: int = 0, cut: bool = False
    ) -> None:
        if exchange.started:
            # The head is out: an honest end is impossible, so the connection has to break.
            exchange.status = status
            raise RuntimeError("the answer was cut off" if cut else "the answer broke off")
        if retry_after:
            await exchange.fail(status, (b"retry-after", b"%d" % max(1, retry_after)))
        else:
            await exchange.fail(status)

    async def _handle(self, exchange: Exchange) -> None:
        request_headers = exchange.request_headers
        scope = exchange.scope
        peer = scope["client"]
        exchange.client = self._addresses.of(peer[0] if peer else "", request_headers.forwarded_for)
        scheme = self._addresses.scheme(scope["scheme"], request_headers.forwarded_proto)
        exchange.secure = self._secure or scheme == "https"
        exchange.extra += self._cors.headers(request_headers.origin)
        refusal = (
            (0 if exchange.method in _METHODS else 501)
            or request_headers.refusal
            or (0 if _HOST.match(request_headers.host) else 400)
            or paths.refusal(exchange.path, exchange.query)
        )
        found = self._router.match(exchange.method, exchange.path) if not refusal else _NOWHERE
        rule = self._rules[found.policy if isinstance(found, Route) else Policy.GENERAL]
        identity = exchange.client
        token = request_headers.authorization
        if token and rule is not self._rules[Policy.AUTH] and token[:7].lower() == b"bearer ":
            bearer = token[7:].decode("latin-1").strip()
            user = self._verifier.cached(bearer) or await self._verified(bearer)
            if user is not None:
                exchange.user = identity = user.user_id
        decision = await self._limiter.take(rule, identity)
        exchange.extra += rate_limit_headers(rule, decision)
        if not decision.allowed:
            await exchange.fail(429)
        elif refusal:
            await exchange.fail(refusal)
        elif exchange.method == "OPTIONS" and self._is_preflight(exchange):
            await self._preflight(exchange)
        elif isinstance(found, NotAllowed):
            await exchange.fail(405, (b"allow", found.allowed.encode()))
        elif isinstance(found, Unknown):
            await exchange.fail(404)
        else:
            exchange.route = found.pattern
            exchange.target = found.target.value
            if request_headers.length > found.body_limit:
                await exchange.fail(413)
            elif found.target in _FORWARDED:
                await self._forward(exchange, found, scheme)
            else:
                await self._answer(exchange, found.target)

    async def _answer(self, exchange: Exchange, target: Target) -> None:
        """What the gateway answers itself."""
        if target is Target.MEDIA:
            await self._media(exchange)
        elif target is Target.WEB:
            await self._web(exchange)
        else:
            with continued(exchange.trace.traceparent.decode()):
                await self._own(exchange.scope, exchange.receive, exchange.through)

    async def _verified(self, token: str) -> Principal | None:
        """Whose token it is, if it is valid: else the service answers 401 by itself."""
        try:
            return await self._verifier.verify(token)
        except (Unauthenticated, Unavailable):
            return None

    def _is_preflight(self, exchange: Exchange) -> bool:
        return bool(
            exchange.request_headers.origin and exchange.header(b"access-control-request-method")
        )

    async def _preflight(self, exchange: Exchange) -> None:
        asked = exchange.header(b"access-control-request-headers")
        given = [
            pair
            for pair in self._cors.preflight(exchange.request_headers.origin, asked)
            if pair not in exchange.extra
        ]
        await exchange.answer(204, [*given, *security_headers.API])

    async def _forward(self, exchange: Exchange, route: Route, scheme: str) -> None:
        """To a service, and its answer back."""
        request_headers = exchange.request_headers
        upstream = self._upstreams[route.target]
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
                self._origin or b"%b://%b" % (scheme.encode(), request_headers.host),
            ),
        ]
        body = None
        if request_headers.has_body:
            if 0 < request_headers.length <= request_body.WHOLE:
                parts.append(b"content-length: %d\r\n\r\n" % request_headers.length)
                parts.append(await request_body.whole(exchange.receive, request_headers.length))
            else:
                parts.append(
                    b"transfer-encoding: chunked\r\n\r\n"
                    if request_headers.chunked
                    else b"content-length: %d\r\n\r\n" % request_headers.length
                )
                body = request_body.framed(
                    exchange.receive, request_headers.length, route.body_limit
                )
        elif request_headers.length == 0:
            parts.append(b"content-length: 0\r\n\r\n")
        else:
            parts.append(b"\r\n")
        response = await upstream.request(
            b"".join(parts),
            body=body,
            idempotent=exchange.method in _IDEMPOTENT,
            without_body=exchange.method == "HEAD",
            timeout=route.timeout,
            on_slow=exchange.watch,
        )
        try:
            await exchange.relay(
                response, security_headers.API_TLS if exchange.secure else security_headers.API
            )
        finally:
            response.close()
