"""Logs, traces and the export of metrics, set up once per process.

Spans and metrics go to an OTLP endpoint if one is configured. Without one no span is recorded, but
trace ids still exist and are written to logs and events.
"""

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from shared.telemetry.logs import Mode, configure_logs, get_logger
from shared.telemetry.metrics_export import export_metrics
from shared.telemetry.redaction import RedactingExporter, redacted
from shared.telemetry.tracing import (
    child_span,
    continued,
    current_trace_id,
    current_traceparent,
    exemplar,
    parse_traceparent,
    span_in_each,
    tracer,
)

__all__ = [
    "Mode",
    "child_span",
    "configure",
    "continued",
    "current_trace_id",
    "current_traceparent",
    "exemplar",
    "export_metrics",
    "get_logger",
    "parse_traceparent",
    "redacted",
    "shutdown",
    "span_in_each",
    "tracer",
]


def configure(service: str, mode: Mode, otlp_endpoint: str | None = None) -> None:
    """Set up this process's logs and traces. Call it once, before the first log line.

    With an endpoint, OpenTelemetry's own variables configure the rest: OTEL_TRACES_SAMPLER and its
    _ARG, OTEL_RESOURCE_ATTRIBUTES, OTEL_EXPORTER_OTLP_HEADERS, OTEL_BSP_SCHEDULE_DELAY.
    """
    configure_logs(service, mode)
    provider = TracerProvider(
        resource=Resource.create({"service.name": f"cinelog-{service}"}),
        shutdown_on_exit=False,
        # None: the sampler that the environment names, by default every trace.
        sampler=None if otlp_endpoint else sampling.ALWAYS_OFF,
    )
    if otlp_endpoint:
        exporter = OTLPSpanExporter(endpoint=f"{otlp_endpoint.rstrip('/')}/v1/traces", timeout=5)
        provider.add_span_processor(BatchSpanProcessor(RedactingExporter(exporter)))
    trace.set_tracer_provider(provider)


def shutdown() -> None:
    """Send the remaining spans. Blocks for at most a few seconds."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown()
