"""Secrets in what is about to be logged, exported or shown are replaced.

No code may log a secret. This is for what it does not see: an exception that quotes an address, the
output of a program that was given a signed one.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status

_HIDDEN: Final = "***"
# None of them takes in a quote or a backslash, so that a line of JSON stays one.
_SECRET: Final = re.compile(
    r"""
      (?<=/media/)(?!public\b)[^/\s"'\\]+           # the token of a media address
    | [0-9a-f]{7,10}\.(?:[A-Za-z0-9_-]{1,64}\.)?[A-Za-z0-9_-]{43}   # a media grant
    | eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+   # a JWT
    | (?<=://)[^/@\s"'\\]+(?=@)                     # the login of a URL
    | (?i:(?<=bearer[ ]))[^\s"'\\]+
    | (?i:whsec_)[A-Za-z0-9+/=_-]+
    # A field of a query: S3 signatures, and whatever is called a secret.
    | (?i:(?<=[?&])(?:x-amz-(?:signature|credential|security-token)|[\w.-]*(?:token|secret|password
        |signature|api_?key))=)[^&\s"'\\]+
    # 32 random bytes in base64url: a refresh token.
    | (?<![\w-])(?=[\w-]*[A-Z])(?=[\w-]*[a-z])[A-Za-z0-9_-]{43}(?![\w-])
    """,
    re.VERBOSE | re.ASCII,
)


def redacted(text: str) -> str:
    """``text`` with every secret in it replaced by asterisks."""
    return _SECRET.sub(_HIDDEN, text)


class RedactingExporter(SpanExporter):
    """Exports spans without the secrets in their names, attributes, events and statuses."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export([_redacted_span(span) for span in spans])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _redacted_span(span: ReadableSpan) -> ReadableSpan:
    return ReadableSpan(
        name=redacted(span.name),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_redacted_attributes(span.attributes),
        events=[
            Event(event.name, _redacted_attributes(event.attributes), event.timestamp)
            for event in span.events
        ],
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code, redacted(span.status.description or "") or None),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _redacted_attributes(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: _redacted_value(value) for name, value in (attributes or {}).items()}


def _redacted_value(value: Any) -> Any:
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, tuple):
        return tuple(_redacted_value(item) for item in cast("tuple[Any, ...]", value))
    return value
