"""A modest place for one's own traces: takes OTLP over HTTP, keeps the last ones, shows them.

``python -m deploy.local.traces PORT``. For a look at what happens on one machine; a cluster has
an OpenTelemetry Collector and Tempo for this. Everything is in memory and forgotten at the end.
"""

import gzip
import html
import sys
import threading
from collections import OrderedDict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_TRACES: Final = 300
_SPANS: Final = 3000
_LARGEST: Final = 16 << 20
_STYLE: Final = (
    "<!doctype html><meta charset=utf-8><title>Traces</title><style>"
    "body{font:14px system-ui;margin:2rem;max-width:90rem;color-scheme:light dark}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.15rem .6rem .15rem 0;"
    "white-space:nowrap}.bar{position:relative;height:.8rem;width:38rem}.bar i{position:absolute;"
    "height:100%;min-width:2px;background:#4a7dbd}.bad i{background:#c33}small{opacity:.7}"
    "</style>"
)


class Span(Struct, frozen=True):
    """What the page shows of a span; times in nanoseconds."""

    service: str
    name: str
    span_id: str
    parent_id: str
    start: int
    end: int
    failed: bool
    attributes: str


class Traces:
    """The last traces, newest last."""

    def __init__(self) -> None:
        self._traces: OrderedDict[str, list[Span]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, body: bytes) -> None:
        """Keep the spans of an export request. Raises protobuf's DecodeError."""
        # The generated messages have no types.
        request: Any = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            service = _attribute(resource.resource.attributes, "service.name").removeprefix(
                "cinelog-"
            )
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self._keep(span.trace_id.hex(), _span(service, span))

    def _keep(self, trace_id: str, span: Span) -> None:
        with self._lock:
            spans = self._traces.setdefault(trace_id, [])
            if len(spans) < _SPANS:
                spans.append(span)
            while len(self._traces) > _TRACES:
                self._traces.popitem(last=False)

    def listed(self) -> str:
        """The page of all traces."""
        with self._lock:
            found = [(trace_id, list(spans)) for trace_id, spans in self._traces.items()]
        rows = [
            f"<tr><td><a href='/trace/{trace_id}'>{html.escape(_first(spans).name)}</a>"
            f"<td>{html.escape(_first(spans).service)}<td>{len(spans)} spans"
            f"<td>{_milliseconds(spans):.0f} ms<td><small>{trace_id}</small>"
            for trace_id, spans in reversed(found)
        ]
        return f"{_STYLE}<h1>Traces</h1><p>The newest first.<table>{''.join(rows)}</table>"

    def one(self, trace_id: str) -> str | None:
        """The page of one trace: its spans as a tree, each with its time; None if unknown."""
        with self._lock:
            spans = list(self._traces.get(trace_id, ()))
        if not spans:
            return None
        begin = min(span.start for span in spans)
        whole = max(1, max(span.end for span in spans) - begin)
        rows = "".join(_row(span, depth, begin, whole) for span, depth in _tree(spans))
        return (
            f"{_STYLE}<p><a href='/'>All traces</a><h1>{html.escape(_first(spans).name)}</h1>"
            f"<p>{len(spans)} spans, {whole / 1e6:.1f} ms <small>{html.escape(trace_id)}</small>"
            f"<table>{rows}</table>"
        )


def _span(service: str, span: Any) -> Span:
    attributes = ", ".join(f"{pair.key}={_value(pair.value)}" for pair in span.attributes)
    return Span(
        service,
        span.name,
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        span.status.code == 2,
        attributes[:2000],
    )


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value") or "string_value")


def _attribute(pairs: Any, key: str) -> str:
    return next((str(_value(pair.value)) for pair in pairs if pair.key == key), "")


def _first(spans: list[Span]) -> Span:
    return min(spans, key=lambda span: span.start)


def _milliseconds(spans: list[Span]) -> float:
    return (max(span.end for span in spans) - min(span.start for span in spans)) / 1e6


def _tree(spans: list[Span]) -> list[tuple[Span, int]]:
    """Parents before their children, in the order in which they began."""
    known = {span.span_id for span in spans}
    children: dict[str, list[Span]] = {}
    for span in sorted(spans, key=lambda span: span.start):
        children.setdefault(span.parent_id if span.parent_id in known else "", []).append(span)
    found: list[tuple[Span, int]] = []
    waiting = [(span, 0) for span in reversed(children.get("", []))]
    while waiting:
        span, depth = waiting.pop()
        found.append((span, depth))
        waiting += [(child, depth + 1) for child in reversed(children.get(span.span_id, []))]
    return found


def _row(span: Span, depth: int, begin: int, whole: int) -> str:
    left = 100 * (span.start - begin) / whole
    width = 100 * (span.end - span.start) / whole
    return (
        f"<tr class='{'bad' if span.failed else ''}' title='{html.escape(span.attributes)}'>"
        f"<td style='padding-left:{depth}rem'>{html.escape(span.name)}"
        f"<td><small>{html.escape(span.service)}</small><td>{(span.end - span.start) / 1e6:.1f} ms"
        f"<td><div class=bar><i style='left:{left:.2f}%;width:{width:.2f}%'></i></div>"
    )


def create_server(port: int) -> ThreadingHTTPServer:
    """The receiver and its pages, on loopback only."""
    traces = Traces()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            if length > _LARGEST:
                self._answer(413, "text/plain", b"")
                return
            body = self.rfile.read(length)
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            # Metrics come here too, and are left to Prometheus.
            if self.path == "/v1/traces":
                traces.take(body)
            self._answer(200, "application/x-protobuf", b"")

        def do_GET(self) -> None:
            page = traces.listed() if self.path == "/" else None
            if self.path.startswith("/trace/"):
                page = traces.one(self.path.removeprefix("/trace/"))
            if page is None:
                self._answer(404, "text/plain", b"There is no such trace (any more).")
            else:
                self._answer(200, "text/html", page.encode())

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Do not log each export."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    return server


if __name__ == "__main__":
    create_server(int(sys.argv[1])).serve_forever()
