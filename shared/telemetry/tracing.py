"""Spans and their contexts (W3C Trace Context).

Span names are a fixed set: routes, queues, kinds of task. Ids are attributes.
"""

from collections.abc import Generator, Iterable, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final

from opentelemetry import context, trace
from opentelemetry.trace import Link, Span, SpanKind, StatusCode

_SCOPE: Final = "cinelog"
_SAMPLED: Final = frozenset("13579bdf")
"""The last digit of a ``traceparent`` whose sampled flag is set."""

Attributes = Mapping[str, str | int | float | bool]


def tracer() -> trace.Tracer:
    """The tracer of this project's spans."""
    return trace.get_tracer(_SCOPE)


def traceparent_of(span: Span) -> str | None:
    """A span as a ``traceparent`` (W3C Trace Context, section 3.2), or None."""
    own = span.get_span_context()
    if not own.is_valid:
        return None
    return f"00-{own.trace_id:032x}-{own.span_id:016x}-{int(own.trace_flags):02x}"


def current_traceparent() -> str | None:
    """The current span as a ``traceparent``, or None."""
    return traceparent_of(trace.get_current_span())


def current_trace_id() -> str | None:
    """The current trace's id: 32 hex digits, or None."""
    span = trace.get_current_span().get_span_context()
    return f"{span.trace_id:032x}" if span.is_valid else None


def exemplar() -> dict[str, str] | None:
    """The exemplar labels of the current span; None unless its trace is sampled."""
    own = trace.get_current_span().get_span_context()
    if not own.trace_flags.sampled or not own.is_valid:
        return None
    return {"trace_id": f"{own.trace_id:032x}", "span_id": f"{own.span_id:016x}"}


def parse_traceparent(value: str | None) -> context.Context | None:
    """The context of a ``traceparent``; None if it is missing or malformed."""
    if value is None or len(value) < 55:
        return None
    parts = value[:55].split("-")
    if [len(part) for part in parts] != [2, 32, 16, 2] or parts[0] == "ff":
        return None
    if len(value) > 55 and (parts[0] == "00" or value[55] != "-"):
        return None
    if not all(character in "0123456789abcdef-" for character in value[:55]):
        return None
    remote = trace.SpanContext(
        trace_id=int(parts[1], 16),
        span_id=int(parts[2], 16),
        is_remote=True,
        trace_flags=trace.TraceFlags(int(parts[3], 16)),
    )
    if not remote.is_valid:
        return None
    return trace.set_span_in_context(trace.NonRecordingSpan(remote))


@contextmanager
def continued(traceparent: str | None) -> Generator[None]:
    """Spans, log lines and events inside the context belong to the trace of ``traceparent``."""
    parent = parse_traceparent(traceparent)
    if parent is None:
        yield
        return
    token = context.attach(parent)
    try:
        yield
    finally:
        context.detach(token)


@contextmanager
def child_span(
    name: str, attributes: Attributes | None = None, *, kind: SpanKind = SpanKind.INTERNAL
) -> Generator[Span]:
    """A child of the current span; if that is not recorded, no span is started.

    Background polling, outside any trace, therefore creates no traces of a single span.
    """
    current = trace.get_current_span()
    if not current.is_recording():
        yield current
        return
    with tracer().start_as_current_span(name, kind=kind, attributes=attributes) as span:
        yield span


@contextmanager
def span_in_each(
    name: str,
    parents: Iterable[str | None],
    attributes: Attributes | None = None,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
) -> Generator[dict[str, str]]:
    """Start a span in each sampled trace that one unit of work belongs to.

    ``parents`` are traceparents; the first one of a trace becomes the span's parent. The first
    span is the current one inside the context, the others link to it. Yields each trace's id with
    its new span as a traceparent. If no trace is sampled, the result is empty, and the context
    continues the trace of the parents if they all belong to the same one.
    """
    first: dict[str, str] = {}
    for parent in parents:
        if parent is not None and parent[3:35] not in first:
            first[parent[3:35]] = parent
    chosen = [parent for parent in first.values() if parent[54:55] in _SAMPLED]
    if not chosen:
        with continued(next(iter(first.values())) if len(first) == 1 else None):
            yield {}
        return
    with ExitStack() as ends:
        spans: list[Span] = []
        for parent in chosen:
            links = [Link(spans[0].get_span_context())] if spans else []
            span = tracer().start_span(
                name,
                context=parse_traceparent(parent),
                kind=kind,
                attributes=attributes,
                links=links,
            )
            ends.callback(span.end)
            spans.append(span)
        with trace.use_span(spans[0], record_exception=False):
            try:
                yield {
                    parent[3:35]: own
                    for parent, span in zip(chosen, spans, strict=True)
                    if (own := traceparent_of(span)) is not None
                }
            except BaseException as error:
                for span in spans:
                    span.set_status(StatusCode.ERROR, type(error).__name__)
                raise
