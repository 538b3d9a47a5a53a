"""How many requests a caller may send: one token bucket per policy and caller.

Redis counts for all gateways (``redis_buckets``). While Redis is slow or gone each gateway counts
for itself, and starts from the last state that it knows of each bucket. General policies keep
their burst then; ``strict`` policies lose it, so that an attack on Redis does not open the login.

Who asks for much that is not there is refused for a while, whatever else they ask for (``misses``).

A refusal is remembered until its bucket has a token again: a flood of requests costs one question
to Redis per token. Media are asked for all the time, so their tokens come several at once
(``leases``).
"""

from collections.abc import Callable, Iterator, Mapping
from math import ceil
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from services.gateway.limits.leases import Leases, lease_of
from services.gateway.limits.misses import Misses
from services.gateway.limits.redis_buckets import RedisBuckets, packed_arguments
from services.gateway.limits.redis_pipe import RedisGone, RedisPipe
from services.gateway.request.routes import Policy
from shared.telemetry import get_logger
from shared.token_bucket import MICROS, Bucket, Decision, LocalBuckets

_MAX_REFUSALS: Final = 20_000

Headers = list[tuple[bytes, bytes]]


class Rule(msgspec.Struct, frozen=True, eq=False):
    """A policy with everything prepared that a request needs.

    ``prefix`` begins the names of its buckets, ``arguments`` are the script's for one token.
    ``lease``: how many are taken at once, with ``lease_arguments``. ``local`` is the bucket while
    Redis is gone. ``shared``: Redis counts. ``policy_header`` and ``left`` make the RateLimit
    headers.
    """

    name: str
    prefix: bytes
    arguments: bytes
    lease: int
    lease_arguments: bytes
    local: Bucket
    shared: bool
    policy_header: tuple[bytes, bytes]
    left: bytes


def rule(
    name: str, bucket: Bucket, *, shared: bool = True, strict: bool = False, leased: bool = False
) -> Rule:
    """The rule of the policy ``name``. ``strict``: no burst while Redis is gone."""
    lease = lease_of(bucket) if leased else 1
    policy = f'"{name}";q={bucket.burst};w={bucket.window}'.encode()
    return Rule(
        name=name,
        prefix=f"cinelog:limit:{name}:".encode(),
        arguments=packed_arguments(bucket),
        lease=lease,
        lease_arguments=packed_arguments(bucket, lease),
        local=Bucket(bucket.interval, 1) if strict else bucket,
        shared=shared,
        policy_header=(b"ratelimit-policy", policy),
        left=b'"%b";r=%%d;t=%%d' % name.encode(),
    )


def rules(buckets: Mapping[Policy, Bucket]) -> dict[Policy, Rule]:
    """The rules of all policies. Health checks are counted here: they must not wait for Redis. So
    are misses, after their answers."""
    return {
        policy: rule(
            policy.value,
            bucket,
            shared=policy not in (Policy.HEALTH, Policy.MISSES),
            strict=policy is Policy.AUTH,
            leased=policy is Policy.MEDIA,
        )
        for policy, bucket in buckets.items()
    }


def rate_limit_headers(rule: Rule, decision: Decision) -> Headers:
    """RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers), and Retry-After.

    ``q`` tokens drip in within ``w`` seconds; ``r`` are left, and in ``t`` seconds all are back.
    """
    full = -(-decision.full_after // MICROS)
    found = [
        rule.policy_header,
        (b"ratelimit", rule.left % (decision.remaining, full)),
    ]
    if not decision.allowed:
        found.append((b"retry-after", b"%d" % max(1, ceil(decision.retry_after / MICROS))))
    return found


class _DecisionCounts(Collector):
    """Plain numbers that become a metric at a scrape: a locked counter costs more than a bucket."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.counts = {
            (policy.value, allowed, counted_in): 0
            for policy in Policy
            for allowed in (True, False)
            for counted_in in ("redis", "local", "memory")
        }
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """The metric, for a scrape."""
        family = CounterMetricFamily(
            "gateway_rate_limit_decisions",
            "Decisions, by policy, result and where they were counted.",
            labels=("policy", "result", "counted"),
        )
        for (policy, allowed, counted_in), count in self.counts.items():
            family.add_metric((policy, "allowed" if allowed else "denied", counted_in), count)
        yield family


class _Refusals:
    """Refusals by Redis that still hold, by bucket. ``clock`` is in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.until: dict[bytes, tuple[float, float]] = {}  # has a token again, is full again

    def find(self, key: bytes) -> Decision | None:
        """The refusal of a bucket that is in ``until``, if it still holds, with the time left."""
        until, full = self.until[key]
        now = self._clock()
        if now < until:
            return Decision(
                False, 0, int((until - now) * MICROS) + 1, int((full - now) * MICROS) + 1
            )
        del self.until[key]
        return None

    def add(self, key: bytes, refusal: Decision) -> None:
        """Remember what Redis answered just now."""
        now = self._clock()
        if len(self.until) >= _MAX_REFUSALS:
            self.until = {k: times for k, times in self.until.items() if times[0] > now}
            if len(self.until) >= _MAX_REFUSALS:
                self.until.clear()
        self.until[key] = (
            now + refusal.retry_after / MICROS,
            now + refusal.full_after / MICROS,
        )


class RateLimiter:
    """Takes a token for each request. ``clock`` is this process's steady clock in seconds."""

    def __init__(
        self,
        rules: Mapping[Policy, Rule],
        pipe: RedisPipe,
        clock: Callable[[], float],
        registry: CollectorRegistry,
    ) -> None:
        self._rules = rules
        self._pipe = pipe
        self._redis = RedisBuckets(pipe)
        self._local = LocalBuckets(clock)
        self._refusals = _Refusals(clock)
        self._leases = Leases(clock)
        self._misses = Misses(rules[Policy.MISSES].local, clock)
        self._leasing: set[bytes] = set()
        self._log = get_logger("gateway.rate_limit")
        self._degraded: bool | None = None
        self._decisions = _DecisionCounts(registry)
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
        """Whether Redis counts now."""
        return self._pipe.ready

    async def check(self) -> None:
        """Raises ConnectionError where Redis does not answer."""
        if not await self._redis.check():
            raise ConnectionError("Redis does not answer")

    async def take(self, policy: Policy, identity: str) -> tuple[bool, Headers]:
        """Take a token for ``identity``: whether there was one, and the headers that say so."""
        if policy is Policy.MEDIA:
            missed = self._misses.refusal(identity)
            if missed is not None:
                self._decisions.counts[Policy.MISSES.value, False, "local"] += 1
                return False, rate_limit_headers(self._rules[Policy.MISSES], missed)
        rule = self._rules[policy]
        key = rule.prefix + identity.encode()
        counted = "memory"
        decision = self._refusals.find(key) if key in self._refusals.until else None
        if decision is None and rule.shared:
            decision = self._leases.spend(key, rule.local) if rule.lease > 1 else None
            if decision is None and self._pipe.ready:
                decision = await self._ask(rule, key)
            counted = "redis"
        if decision is None:
            counted = "local"
            decision = self._local.take(key, rule.local)
        self._decisions.counts[rule.name, decision.allowed, counted] += 1
        return decision.allowed, rate_limit_headers(rule, decision)

    def missed(self, policy: Policy, identity: str) -> None:
        """What ``identity`` has asked for is not there."""
        if policy is Policy.MEDIA:
            self._misses.count(identity)
            self._decisions.counts[Policy.MISSES.value, True, "local"] += 1

    async def _ask(self, rule: Rule, key: bytes) -> Decision | None:
        """What Redis says; None where it does not answer."""
        try:
            decision = await self._lease(rule, key)
            if decision is None:
                decision = await self._redis.take(key, rule.arguments)
                self._local.note(key, decision.full_after)
        except RedisGone:
            return None
        if not decision.allowed:
            self._refusals.add(key, decision)
        return decision

    async def _lease(self, rule: Rule, key: bytes) -> Decision | None:
        """Take tokens for the next requests, too; None where one has to be asked for alone.

        So it has where others of the same bucket ask for some just now, or where it runs dry.
        """
        if rule.lease == 1 or key in self._leasing:
            return None
        if self._local.left(key, rule.local) < rule.local.burst // 2:
            return None
        self._leasing.add(key)
        try:
            decision = await self._redis.take(key, rule.lease_arguments)
        finally:
            self._leasing.discard(key)
        self._local.note(key, decision.full_after)
        if not decision.allowed:
            return None
        return self._leases.add(key, rule.local, rule.lease, decision)

    def _redis_changed(self, up: bool, reason: str) -> None:
        self._up.set(1 if up else 0)
        if up:
            if self._degraded:
                self._log.info("rate limits are shared again: Redis answers")
        elif not self._degraded:
            self._losses.inc()
            self._log.warning("rate limits are local: Redis does not answer", reason=reason)
        self._degraded = not up
