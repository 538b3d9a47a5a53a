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

from services.gateway import security_headers as answers
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
from services.gateway.limits.rate_limit import RateLimiter, Rule, headers
from services.gateway.observability.access_log import AccessLog, Entry
from services.gateway.observability.request_metrics import RequestMetrics
from services.gateway.observability.tracing import Tracing
from services.gateway.request import paths
from services.gateway.request.client_address import ClientAddress
from services.gateway.request.exchange import Call
from services.gateway.request.request_headers import Incoming
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

Handler = Callable[[Call], Awaitable[None]]
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
        self._failures = answers.Failures()
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
        incoming = Incoming(scope["headers"])
        trace = self._tracing.begin(scope["method"], incoming.traceparent)
        lingering = None
        if incoming.chunked or incoming.length > request_body.WHOLE:
            lingering = Lingering(receive, send, incoming.length)
            receive, send = lingering.receive, lingering.send
        call = Call(scope, receive, send, incoming, trace, self._failures)
        self._metrics.started()
        try:
            await self._handle(call)
        except Exception as error:
            await self._broken(call, error)
        finally:
            call.unwatch()
            seconds = perf_counter() - begun
            method = call.method if call.method in _METHODS else "OTHER"
            self._metrics.finished(method, call.route, call.status, seconds)
            self._tracing.end(trace, method, call.route, call.status)
            if call.route not in _QUIET:
                self._access_log.add(
                    Entry(
                        time(),
                        method,
                        call.route,
                        call.path,
                        call.status,
                        seconds,
                        call.sent,
                        call.client,
                        call.user,
                        call.target,
                        trace.trace_id,
                        trace.span_id,
                    )
                )
        if lingering is not None:
            await lingering.finish()

    async def _broken(self, call: Call, error: Exception) -> None:
        """Answer, whatever happened."""
        try:
            raise error
        except (ClientGone, Abandoned):
            call.status = _CLIENT_CLOSED
        except BodyTooLarge:
            await self._fail(call, 413)
        except (BodyTooSlow, SenderStalled):
            await self._fail(call, 408)
        except BodyBroken:
            await self._fail(call, 400)
        except (CircuitOpen, Unavailable) as refused:
            await self._fail(call, 503, ceil(refused.retry_after))
        except Overloaded:
            await self._fail(call, 503, 1)
        except TimedOut:
            await self._fail(call, 504, 2)
        except UpstreamError:
            if call.gone:
                call.status = _CLIENT_CLOSED
            else:
                await self._fail(call, 502, 1, cut=isinstance(error, BadAnswer))
        except Exception:
            trace_id = call.trace.trace_id.decode()
            self._log.exception("unexpected", route=call.route, trace_id=trace_id)
            await self._fail(call, 500)

    async def _fail(self, call: Call, status: int, retry_after: int = 0, cut: bool = False) -> None:
        if call.started:
            # The head is out: an honest end is impossible, so the connection has to break.
            call.status = status
            raise RuntimeError("the answer was cut off" if cut else "the answer broke off")
        if retry_after:
            await call.fail(status, (b"retry-after", b"%d" % max(1, retry_after)))
        else:
            await call.fail(status)

    async def _handle(self, call: Call) -> None:
        incoming = call.incoming
        scope = call.scope
        peer = scope["client"]
        call.client = self._addresses.of(peer[0] if peer else "", incoming.forwarded_for)
        scheme = self._addresses.scheme(scope["scheme"], incoming.forwarded_proto)
        call.secure = self._secure or scheme == "https"
        call.extra += self._cors.headers(incoming.origin)
        refusal = (
            (0 if call.method in _METHODS else 501)
            or incoming.refusal
            or (0 if _HOST.match(incoming.host) else 400)
            or paths.refusal(call.path, call.query)
        )
        found = self._router.match(call.method, call.path) if not refusal else _NOWHERE
        rule = self._rules[found.policy if isinstance(found, Route) else Policy.GENERAL]
        identity = call.client
        token = incoming.authorization
        if token and rule is not self._rules[Policy.AUTH] and token[:7].lower() == b"bearer ":
            bearer = token[7:].decode("latin-1").strip()
            user = self._verifier.cached(bearer) or await self._verified(bearer)
            if user is not None:
                call.user = identity = user.user_id
        decision = await self._limiter.take(rule, identity)
        call.extra += headers(rule, decision)
        if not decision.allowed:
            await call.fail(429)
        elif refusal:
            await call.fail(refusal)
        elif call.method == "OPTIONS" and self._is_preflight(call):
            await self._preflight(call)
        elif isinstance(found, NotAllowed):
            await call.fail(405, (b"allow", found.allowed.encode()))
        elif isinstance(found, Unknown):
            await call.fail(404)
        else:
            call.route = found.pattern
            call.target = found.target.value
            if incoming.length > found.body_limit:
                await call.fail(413)
            elif found.target in _FORWARDED:
                await self._forward(call, found, scheme)
            else:
                await self._answer(call, found.target)

    async def _answer(self, call: Call, target: Target) -> None:
        """What the gateway answers itself."""
        if target is Target.MEDIA:
            await self._media(call)
        elif target is Target.WEB:
            await self._web(call)
        else:
            with continued(call.trace.traceparent.decode()):
                await self._own(call.scope, call.receive, call.through)

    async def _verified(self, token: str) -> Principal | None:
        """Whose token it is, if it is valid: else the service answers 401 by itself."""
        try:
            return await self._verifier.verify(token)
        except (Unauthenticated, Unavailable):
            return None

    def _is_preflight(self, call: Call) -> bool:
        return bool(call.incoming.origin and call.header(b"access-control-request-method"))

    async def _preflight(self, call: Call) -> None:
        asked = call.header(b"access-control-request-headers")
        given = [
            pair
            for pair in self._cors.preflight(call.incoming.origin, asked)
            if pair not in call.extra
        ]
        await call.answer(204, [*given, *answers.API])

    async def _forward(self, call: Call, route: Route, scheme: str) -> None:
        """To a service, and its answer back."""
        incoming = call.incoming
        upstream = self._upstreams[route.target]
        trace = call.trace
        parts = [
            b"%b %b%b%b HTTP/1.1\r\nhost: %b\r\n"
            % (
                call.method.encode(),
                call.path,
                b"?" if call.query else b"",
                call.query,
                upstream.authority,
            ),
            *incoming.lines,
            b"x-request-id: %b\r\ntraceparent: %b\r\n"
            b"x-cinelog-client: %b\r\nx-cinelog-origin: %b\r\n"
            % (
                trace.span_id,
                trace.traceparent,
                call.client.encode(),
                self._origin or b"%b://%b" % (scheme.encode(), incoming.host),
            ),
        ]
        body = None
        if incoming.has_body:
            if 0 < incoming.length <= request_body.WHOLE:
                parts.append(b"content-length: %d\r\n\r\n" % incoming.length)
                parts.append(await request_body.whole(call.receive, incoming.length))
            else:
                parts.append(
                    b"transfer-encoding: chunked\r\n\r\n"
                    if incoming.chunked
                    else b"content-length: %d\r\n\r\n" % incoming.length
                )
                body = request_body.framed(call.receive, incoming.length, route.body_limit)
        elif incoming.length == 0:
            parts.append(b"content-length: 0\r\n\r\n")
        else:
            parts.append(b"\r\n")
        response = await upstream.request(
            b"".join(parts),
            body=body,
            idempotent=call.method in _IDEMPOTENT,
            without_body=call.method == "HEAD",
            timeout=route.timeout,
            on_slow=call.watch,
        )
        try:
            await call.relay(response, answers.API_TLS if call.secure else answers.API)
        finally:
            response.close()
