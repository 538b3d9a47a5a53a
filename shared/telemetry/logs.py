"""Logs: one JSON object per line on standard output, or readable lines in local mode.

Every line has the ids of its trace. Fields whose names suggest a secret are hidden, and so is
what looks like one in any other (``redaction``).
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final, Literal, cast

import msgspec
import structlog
from opentelemetry import trace
from structlog.typing import FilteringBoundLogger, Processor

from shared.telemetry.redaction import redacted

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


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger whose lines carry ``component=name``."""
    return cast(FilteringBoundLogger, structlog.get_logger(component=name))


def configure_logs(service: str, mode: Mode) -> None:
    """Set up the logs of this process and its libraries."""
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
            # Plain tracebacks: rich ones print local variables, which may be secrets.
            structlog.dev.ConsoleRenderer(
                colors=sys.stdout.isatty(),
                pad_event_to=32,
                exception_formatter=structlog.dev.plain_traceback,
            ),
            _redact_text,
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
    """Adds the service's name to each line."""

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
    """Hide fields by name, in case code logs a secret despite the rule."""
    for name in event:
        if any(word in name.lower() for word in _HIDDEN):
            event[name] = "***"
    return event


def _drop_noise(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Remove fields that are of no use at a terminal."""
    event.pop("span_id", None)
    event.pop("service", None)
    return event


_encoder: Final = msgspec.json.Encoder(enc_hook=str)


def _to_json(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> bytes:
    return _to_json_text(_logger, _method, event).encode()


def _to_json_text(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    return redacted(_encoder.encode(dict(event)).decode())


def _redact_text(_logger: Any, _method: str, line: Any) -> str:
    """What the renderer before it has made of an event."""
    return redacted(line)
