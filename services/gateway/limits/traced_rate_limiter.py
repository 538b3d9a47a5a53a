"""The rate limiter where spans are exported."""

from opentelemetry.trace import SpanKind

from services.gateway.limits.rate_limit import RateLimiter, Rule
from shared.telemetry import child_span
from shared.token_bucket import Decision


class TracedRateLimiter(RateLimiter):
    """Makes a span of each question to Redis."""

    async def _ask(self, rule: Rule, key: bytes) -> Decision | None:
        with child_span("redis take", {"limit.policy": rule.name}, kind=SpanKind.CLIENT):
            return await super()._ask(rule, key)
