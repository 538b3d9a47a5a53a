"""Who may send how much: one bucket per policy and caller, shared by all gateways.

Redis counts (`limits_bucket`). While it is slow or gone each gateway counts for itself, going
on from what it last heard of each bucket: the general policies as generously as before, `strict`
ones without any burst, so that an attack on Redis does not open the login. A denial is
remembered until its bucket has a token again, so that a flood costs Redis one question per
token, not one per request.
"""

from collections.abc import Callable, Iterator, Mapping
from math import ceil

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from services.gateway.limits.redis_bucket import TokenBucketItem, TokenBucketRateLimiter
from services.gateway.limits.redis_pipe import RedisGone, RedisPipe
from services.gateway.limits.token_bucket import MICROS, Bucket, Decision, LocalBuckets
from services.gateway.request.routes import Policy
from shared.telemetry import get_logger

_REMEMBERED = 20_000

Headers = list[tuple[bytes, bytes]]


class Rule(Struct, frozen=True, eq=False):
    """A policy, made ready. `shared`: counted in Redis; `strict`: no burst while Redis is gone.

    `header` and `left` are the headers that say so.
    """

    name: str
    bucket: Bucket
    item: TokenBucketItem
    local: Bucket
    shared: bool
    header: tuple[bytes, bytes]
    left: bytes


def rule(name: str, bucket: Bucket, *, shared: bool = True, strict: bool = False) -> Rule:
    """The rule for a policy."""
    policy = f'"{name}";q={bucket.burst};w={bucket.window}'.encode()
    return Rule(
        name=name,
        bucket=bucket,
        item=TokenBucketItem(bucket, f"cinelog:limit:{name}"),
        local=Bucket(bucket.interval, 1) if strict else bucket,
        shared=shared,
        header=(b"ratelimit-policy", policy),
        left=b'"%b";r=%%d;t=%%d' % name.encode(),
    )


def rules(buckets: Mapping[Policy, Bucket]) -> dict[Policy, Rule]:
    """The rules for all policies. Health is counted here only: it must not wait for Redis."""
    return {
        policy: rule(
            policy.value,
            bucket,
            shared=policy is not Policy.HEALTH,
            strict=policy is Policy.AUTH,
        )
        for policy, bucket in buckets.items()
    }


def headers(rule: Rule, decision: Decision) -> Headers:
    """RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers), and Retry-After.

    `q` tokens drip in within `w` seconds; `r` are left and in `t` seconds all are back.
    """
    full = -(-decision.full_after // MICROS)
    found = [
        rule.header,
        (b"ratelimit", rule.left % (decision.remaining, full)),
    ]
    if not decision.allowed:
        found.append((b"retry-after", b"%d" % max(1, ceil(decision.retry_after / MICROS))))
    return found


class _Decisions(Collector):
    """Plain numbers until somebody asks: a locked counter costs more than the bucket."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.counts = {
            (policy.value, allowed, counted_in): 0
            for policy in Policy
            for allowed in (True, False)
            for counted_in in ("redis", "local", "memory")
        }
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """The family, for a scrape."""
        family = CounterMetricFamily(
            "gateway_rate_limit_decisions",
            "Decisions, by policy, result and where they were counted.",
            labels=("policy", "result", "counted"),
        )
        for (policy, allowed, counted_in), count in self.counts.items():
            family.add_metric((policy, "allowed" if allowed else "denied", counted_in), count)
        yield family


class RateLimiter:
    """Takes a token for a request. `clock` is this process's steady clock in seconds."""

    def __init__(
        self,
        pipe: RedisPipe,
        strategy: TokenBucketRateLimiter,
        clock: Callable[[], float],
        registry: CollectorRegistry,
    ) -> None:
        self._pipe = pipe
        self._strategy = strategy
        self._clock = clock
        self._local = LocalBuckets(clock)
        self._denials: dict[bytes, tuple[float, float]] = {}  # until, full
        self._log = get_logger("gateway.rate_limit")
        self._degraded: bool | None = None
        self._decisions = _Decisions(registry)
        self._up = Gauge(
            "gateway_rate_limit_redis_up", "1 while Redis does the counting.", registry=registry
        )
        self._losses = Counter(
            "gateway_rate_limit_redis_losses_total",
            "Times Redis was lost and counting became local.",
            registry=registry,
        )
        pipe.changed = self._redis_changed

    @property
    def shared(self) -> bool:
        """Whether Redis does the counting now."""
        return self._pipe.ready

    async def take(self, rule: Rule, identity: str) -> Decision:
        """One token for `identity` under `rule`."""
        key = rule.item.prefix + identity.encode()
        denial = self._denials.get(key)
        if denial is not None:
            now = self._clock()
            until, full = denial
            if now < until:
                self._decisions.counts[rule.name, False, "memory"] += 1
                return Decision(
                    False, 0, int((until - now) * MICROS) + 1, int((full - now) * MICROS) + 1
                )
            del self._denials[key]
        if rule.shared and self._pipe.ready:
            try:
                decision = await self._strategy.acquire(rule.item, key)
            except RedisGone:
                pass
            else:
                self._decisions.counts[rule.name, decision.allowed, "redis"] += 1
                self._local.note(key, decision.full_after)
                if not decision.allowed:
                    self._remember(key, decision)
                return decision
        decision = self._local.take(rule.local, key)
        self._decisions.counts[rule.name, decision.allowed, "local"] += 1
        return decision

    def _remember(self, key: bytes, decision: Decision) -> None:
        if len(self._denials) >= _REMEMBERED:
            now = self._clock()
            self._denials = {k: d for k, d in self._denials.items() if d[0] > now}
            if len(self._denials) >= _REMEMBERED:
                self._denials.clear()
        now = self._clock()
        self._denials[key] = (
            now + decision.retry_after / MICROS,
            now + decision.full_after / MICROS,
        )

    def _redis_changed(self, up: bool, reason: str) -> None:
        self._up.set(1 if up else 0)
        if up:
            if self._degraded:
                self._log.info("Redis is back: rate limits are shared again")
        elif not self._degraded:
            self._losses.inc()
            self._log.warning("Redis is gone: rate limits are counted here only", reason=reason)
        self._degraded = not up
