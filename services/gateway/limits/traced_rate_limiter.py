"""The rate limiter where spans are exported."""

from opentelemetry.trace import SpanKind

from services.gateway.limits.rate_limit import Headers, RateLimiter
from services.gateway.request.routes import Policy
from shared.telemetry import child_span


class TracedRateLimiter(RateLimiter):
    """Makes a span of each decision."""

    async def take(self, policy: Policy, identity: str) -> tuple[bool, Headers]:
        with child_span("redis take", {"limit.policy": policy.value}, kind=SpanKind.CLIENT):
            return await super().take(policy, identity)
