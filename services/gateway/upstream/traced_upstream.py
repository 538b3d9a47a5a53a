"""Upstreams where spans are exported.

A forwarded request gets no span here: the service's own span is the child of the gateway's.
"""

from collections.abc import AsyncIterator, Callable

from opentelemetry.trace import SpanKind

from services.gateway.http1.h1_client import Response
from services.gateway.upstream.upstreams import Upstream
from shared.telemetry import child_span, current_traceparent


class TracedUpstream(Upstream):
    """Sends the trace along with the gateway's own requests."""

    def _get(self, target: str) -> bytes:
        head = super()._get(target)
        traceparent = current_traceparent()
        if traceparent is None:
            return head
        return b"%b\r\ntraceparent: %b\r\n\r\n" % (head[:-4], traceparent.encode())


class TracedObjectStorage(Upstream):
    """Makes a span of each request, until object storage begins to answer."""

    async def request(
        self,
        head: bytes,
        *,
        body: AsyncIterator[bytes] | None = None,
        idempotent: bool = False,
        without_body: bool = False,
        timeout: float = 30.0,
        on_slow: Callable[[Response], None] | None = None,
        event_stream: bool = False,
    ) -> Response:
        with child_span("s3 GetObject", kind=SpanKind.CLIENT):
            return await super().request(
                head,
                body=body,
                idempotent=idempotent,
                without_body=without_body,
                timeout=timeout,
                on_slow=on_slow,
                event_stream=event_stream,
            )
