"""The trace of a request (W3C Trace Context).

With an OTLP endpoint each request becomes a span. Without one only its ids are made: a span costs
more than forwarding.
"""

import re
from contextvars import Token
from random import getrandbits
from typing import Final

import msgspec
from opentelemetry import context
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context

from shared.telemetry import parse_traceparent, tracer

_TRACEPARENT: Final = re.compile(
    rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})\Z"
)

# The lowest bit of trace id and span id: neither id may be zero.
_NOT_ZERO: Final = 1 << 64 | 1


class Trace(msgspec.Struct, frozen=True):
    """The ids of a request's trace. ``span_id`` is also the request's id.

    ``traceparent`` is for the request to a service.
    """

    trace_id: bytes
    span_id: bytes
    traceparent: bytes
    span: Span | None = None
    token: Token[context.Context] | None = None


class Tracing:
    """Continues the trace that a client names, or starts one."""

    def __init__(self, exporting: bool) -> None:
        self._exporting = exporting

    def begin(self, method: str, traceparent: bytes) -> Trace:
        """A request has arrived."""
        if self._exporting:
            return self._span(method, traceparent)
        match = _TRACEPARENT.match(traceparent) if traceparent else None
        if match is not None:
            return _trace(match[1], b"%016x" % (getrandbits(64) | 1), match[2])
        # One call makes both ids.
        ids = b"%048x" % (getrandbits(192) | _NOT_ZERO)
        return _trace(ids[:32], ids[32:], b"01")

    def end(self, trace: Trace, method: str, route: str, status: int) -> None:
        """The request was answered."""
        span = trace.span
        if span is None:
            return
        if trace.token is not None:
            context.detach(trace.token)
        span.update_name(f"{method} {route}")
        span.set_attribute("http.request.method", method)
        span.set_attribute("http.route", route)
        span.set_attribute("http.response.status_code", status)
        if status >= 500:
            span.set_status(StatusCode.ERROR)
        span.end()

    def _span(self, method: str, traceparent: bytes) -> Trace:
        parent = parse_traceparent(traceparent.decode("latin-1")) if traceparent else None
        parent = parent or context.Context()
        span = tracer().start_span(method, context=parent, kind=SpanKind.SERVER)
        own = span.get_span_context()
        trace = _trace(b"%032x" % own.trace_id, b"%016x" % own.span_id, b"%02x" % own.trace_flags)
        # Spans that the gateway makes for this request become its children.
        token = context.attach(set_span_in_context(span, parent))
        return msgspec.structs.replace(trace, span=span, token=token)


def _trace(trace_id: bytes, span_id: bytes, flags: bytes) -> Trace:
    return Trace(trace_id, span_id, b"00-%b-%b-%b" % (trace_id, span_id, flags))
