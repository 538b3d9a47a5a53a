"""Logs and traces, set up once per process.

Logs go to standard output: one JSON object per line, or in local mode lines for a person. Every
line carries the ids of the trace it belongs to. Spans go to an OTLP endpoint where one is given;
trace ids exist, and reach the logs and the events, in any case.
"""

import logging
import sys
from collections.abc import Generator, MutableMapping
from contextlib import contextmanager
from typing import Any, Final, Literal, cast

import msgspec
import structlog
from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from structlog.typing import FilteringBoundLogger, Processor

Mode = Literal["local", "production"]

_HIDDEN: Final = (
    "authorization",
    "cookie",
    "password",
    "secret",
    "access_token",
    "refresh_token",
    "email",
    "api_key",
)
_QUIET: Final = {
    "_granian": logging.WARNING,
    "aiobotocore": logging.WARNING,
    "aiormq": logging.WARNING,
    "aio_pika": logging.WARNING,
    "alembic": logging.WARNING,
    "botocore": logging.WARNING,
    "boto3": logging.WARNING,
    "httpcore": logging.WARNING,
    "httpx": logging.WARNING,
    "opentelemetry": logging.WARNING,
    "s3transfer": logging.WARNING,
    "urllib3": logging.WARNING,
}
_SCOPE: Final = "cinelog"


def configure(service: str, mode: Mode, otlp_endpoint: str | None = None) -> None:
    """Set up this process's logs and traces. Call it once, before the first log line."""
    _configure_logs(service, mode)
    provider = TracerProvider(
        resource=Resource.create({"service.name": f"cinelog-{service}"}), shutdown_on_exit=False
    )
    if otlp_endpoint:
        exporter = OTLPSpanExporter(endpoint=f"{otlp_endpoint.rstrip('/')}/v1/traces", timeout=5)
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def shutdown() -> None:
    """Send the spans that are still waiting. Blocks for at most a few seconds."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown()


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger whose lines carry ``component=name``."""
    return cast(FilteringBoundLogger, structlog.get_logger(component=name))


def tracer() -> trace.Tracer:
    """The tracer that this project's spans are started with."""
    return trace.get_tracer(_SCOPE)


def current_traceparent() -> str | None:
    """The current span as a ``traceparent`` (W3C Trace Context, section 3.2), or None."""
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return None
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{int(span.trace_flags):02x}"


def current_trace_id() -> str | None:
    """The current trace's id: 32 hex digits, or None."""
    span = trace.get_current_span().get_span_context()
    return f"{span.trace_id:032x}" if span.is_valid else None


def parse_traceparent(value: str | None) -> context.Context | None:
    """The context that a ``traceparent`` names; None where it is missing or malformed."""
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
    """Within it, spans, log lines and events belong to the trace of ``traceparent``."""
    parent = parse_traceparent(traceparent)
    if parent is None:
        yield
        return
    token = context.attach(parent)
    try:
        yield
    finally:
        context.detach(token)


def _configure_logs(service: str, mode: Mode) -> None:
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _Origin(service),
        _add_trace,
        _hide_secrets,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if mode == "local":
        render: list[Processor] = [
            _drop_noise,
            # Plain tracebacks: the richer ones print local variables, and so passwords and tokens.
            structlog.dev.ConsoleRenderer(
                colors=sys.stdout.isatty(),
                pad_event_to=32,
                exception_formatter=structlog.dev.plain_traceback,
            ),
        ]
        structlog.configure(
            processors=[*shared, *render],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            logger_factory=structlog.PrintLoggerFactory(sys.stdout),
            cache_logger_on_first_use=True,
        )
    else:
        render = [structlog.processors.format_exc_info, _to_json]
        structlog.configure(
            processors=[*shared, *render],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
            cache_logger_on_first_use=True,
        )
    foreign: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        *(render if mode == "local" else [render[0], _to_json_text]),
    ]
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=foreign, foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name]
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(True)


class _Origin:
    """Puts the service's name on each line."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(
        self, _logger: Any, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        event.setdefault("service", self._service)
        return event


def _add_trace(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"] = f"{span.trace_id:032x}"
        event["span_id"] = f"{span.span_id:016x}"
    return event


def _hide_secrets(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The safety net under "do not log secrets": fields whose names say what they are."""
    for name in event:
        if any(word in name.lower() for word in _HIDDEN):
            event[name] = "***"
    return event


def _drop_noise(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """For a person at a terminal: no ids that only a machine follows."""
    event.pop("span_id", None)
    event.pop("service", None)
    return event


_encoder: Final = msgspec.json.Encoder(enc_hook=str)


def _to_json(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> bytes:
    return _encoder.encode(dict(event))


def _to_json_text(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    return _encoder.encode(dict(event)).decode()
