"""The outermost ASGI middleware of a service: request id, trace, metrics and the access log.

It wraps Litestar's routing, so that 404 and 405 are recorded like any other answer. Spans and
metric series are named by route templates: an id in a name would create a series for each id.
"""

import re
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Final

import structlog
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from opentelemetry import trace
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import SpanKind, StatusCode

from shared.contracts import new_id
from shared.event_store.written import noting_writes
from shared.http.metrics import HttpMetrics
from shared.telemetry import (
    current_trace_id,
    current_traceparent,
    get_logger,
    parse_traceparent,
    tracer,
)

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET: Final = frozenset({"/health", "/ready", "/metrics", "/internal/shown"})
# Of a request that appends to more streams than this, a following read waits for these.
_MAX_WRITTEN: Final = 8
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{8,64}\Z")


class AccessMiddleware:
    """Gives each request an id and a span, counts it and logs it."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics) -> None:
        self._app = app
        self._metrics = metrics
        self._log = get_logger("http.access")
        self._tracer = tracer()
        self._ids = RandomIdGenerator()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, parent = _identifiers(scope)
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        started = time.perf_counter()
        status = 500
        ended = False
        self._metrics.started()
        with (
            structlog.contextvars.bound_contextvars(request_id=request_id),
            self._span(scope["path"], method, parent) as span,
            noting_writes() as written,
        ):
            identity = _response_headers(request_id)

            async def observed_send(message: Message) -> None:
                nonlocal status, ended
                if message["type"] == "http.response.start":
                    status = message["status"]
                    message["headers"] = [*message["headers"], *identity, *_wrote(written)]
                elif message["type"] == "http.response.body":
                    ended = not message.get("more_body", False)
                await send(message)

            try:
                await self._app(scope, receive, observed_send)
            finally:
                route = scope.get("path_template") or "unmatched"
                if not ended and status < 500:
                    status = 499
                seconds = time.perf_counter() - started
                self._metrics.finished(method, route, status, seconds)
                _describe(span, method, route, status)
                if route not in _QUIET:
                    self._log.info(
                        "request",
                        method=method,
                        route=route,
                        status=status,
                        ms=round(seconds * 1000, 2),
                    )

    def _span(
        self, path: str, method: str, parent: str | None
    ) -> AbstractContextManager[trace.Span]:
        context = parse_traceparent(parent)
        if context is None and path in _QUIET:
            # Probes, scrapes and listeners come every few seconds and would outnumber all others.
            ids = trace.SpanContext(
                self._ids.generate_trace_id(), self._ids.generate_span_id(), is_remote=False
            )
            return trace.use_span(trace.NonRecordingSpan(ids))
        return self._tracer.start_as_current_span(
            method, context=context, kind=SpanKind.SERVER, record_exception=False
        )


def _identifiers(scope: Scope) -> tuple[str, str | None]:
    request_id: str | None = None
    traceparent: str | None = None
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.match(value):
            request_id = value.decode()
        elif name == b"traceparent":
            traceparent = value.decode("latin-1")
    return request_id or new_id(), traceparent


def _response_headers(request_id: str) -> list[tuple[bytes, bytes]]:
    headers = [(b"x-request-id", request_id.encode())]
    traceparent = current_traceparent()
    if traceparent is not None:
        headers.append((b"server-timing", f'traceparent;desc="{traceparent}"'.encode()))
        headers.append((b"trace-id", (current_trace_id() or "").encode()))
    return headers


def _wrote(written: Mapping[str, int]) -> list[tuple[bytes, bytes]]:
    """For the gateway: which events a read that follows this answer must show."""
    if not written:
        return []
    events = [f"{stream}@{version}" for stream, version in written.items()]
    return [(b"x-cinelog-wrote", ",".join(events[-_MAX_WRITTEN:]).encode())]


def _describe(span: trace.Span, method: str, route: str, status: int) -> None:
    if not span.is_recording():
        return
    span.update_name(f"{method} {route}")
    span.set_attribute("http.request.method", method)
    span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_status(StatusCode.ERROR)
