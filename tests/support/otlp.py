"""A real OTLP receiver: what the services export, decoded."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Span(msgspec.Struct, frozen=True):
    """One span as it came over the wire."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, str]
    failed: bool
    seconds: float


class Receiver:
    """What has arrived so far."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._spans: list[Span] = []
        self._exports: list[bytes] = []
        self._metrics: dict[str, dict[str, Message]] = {}
        self._lock = threading.Lock()

    def trace(self, trace_id: str) -> list[Span]:
        """The spans of one trace."""
        with self._lock:
            return [span for span in self._spans if span.trace_id == trace_id]

    @property
    def exports(self) -> bytes:
        """All exports of spans, as they came over the wire."""
        with self._lock:
            return b"".join(self._exports)

    def metrics(self, service: str) -> dict[str, Any]:
        """The last data of each metric of a service, by name, as OTLP's JSON."""
        with self._lock:
            found = dict(self._metrics.get(service, {}))
        # Here, and not for each export: a stack sends thousands of metrics that nobody asks for.
        return {name: MessageToDict(metric) for name, metric in found.items()}

    def take(self, path: str, body: bytes) -> None:
        """Keep what one request brought."""
        if path == "/v1/traces":
            with self._lock:
                self._exports.append(body)
            self._take_spans(ExportTraceServiceRequest.FromString(body))
        elif path == "/v1/metrics":
            self._take_metrics(ExportMetricsServiceRequest.FromString(body))

    def _take_spans(self, request: Any) -> None:
        for resource in request.resource_spans:
            service = _attributes(resource.resource.attributes)["service.name"]
            for scope in resource.scope_spans:
                found = [
                    Span(
                        service=service,
                        name=span.name,
                        kind=span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                        trace_id=span.trace_id.hex(),
                        span_id=span.span_id.hex(),
                        parent_id=span.parent_span_id.hex(),
                        attributes=_attributes(span.attributes),
                        failed=span.status.code == 2,
                        seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                    )
                    for span in scope.spans
                ]
                with self._lock:
                    self._spans += found

    def _take_metrics(self, request: Any) -> None:
        for resource in request.resource_metrics:
            service = _attributes(resource.resource.attributes)["service.name"]
            for scope in resource.scope_metrics:
                with self._lock:
                    self._metrics.setdefault(service, {}).update(
                        {metric.name: metric for metric in scope.metrics}
                    )


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port, in threads of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            receiver.take(self.path, body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def _attributes(pairs: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        value = pair.value
        found[pair.key] = str(getattr(value, value.WhichOneof("value") or "string_value"))
    return found
