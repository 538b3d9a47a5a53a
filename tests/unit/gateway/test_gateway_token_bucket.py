"""The bucket's arithmetic, against a model that a child could follow."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.limits.token_bucket import MICROS, Bucket, LocalBuckets, parse, take

buckets = st.builds(Bucket, st.integers(1, 20 * MICROS), st.integers(1, 50))
steps = st.lists(st.tuples(st.integers(0, 5 * MICROS), st.integers(0, 3)), max_size=60)


class Model:
    """A bucket that really holds (fractions of) tokens."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.tokens = Fraction(bucket.burst)
        self.at = 0

    def take(self, now: int, cost: int) -> tuple[bool, int]:
        grown = self.tokens + Fraction(now - self.at, self.bucket.interval)
        self.tokens = min(Fraction(self.bucket.burst), grown)
        self.at = now
        allowed = self.tokens >= cost
        if allowed:
            self.tokens -= cost
        return allowed, int(self.tokens)


@given(buckets, steps)
def test_decides_like_a_bucket_of_tokens(bucket: Bucket, given_steps: list[tuple[int, int]]):
    model, tat, now = Model(bucket), 0, 0
    for pause, cost in given_steps:
        now += pause
        decision, tat = take(bucket, tat, now, cost)
        assert (decision.allowed, decision.remaining) == model.take(now, cost)


@given(buckets, steps, st.integers(1, 3))
def test_retry_after_is_exact(bucket: Bucket, given_steps: list[tuple[int, int]], cost: int):
    tat = now = 0
    for pause, step_cost in given_steps:
        now += pause
        _, tat = take(bucket, tat, now, step_cost)
    decision, _ = take(bucket, tat, now, cost)
    if decision.allowed or cost > bucket.burst:
        return
    assert not take(bucket, tat, now + decision.retry_after - 1, cost)[0].allowed
    assert take(bucket, tat, now + decision.retry_after, cost)[0].allowed


@given(buckets, st.lists(st.integers(0, 2 * MICROS), min_size=1, max_size=200))
def test_never_lets_more_through_than_burst_plus_rate(bucket: Bucket, pauses: list[int]):
    tat = now = allowed = 0
    for pause in pauses:
        now += pause
        decision, tat = take(bucket, tat, now)
        allowed += decision.allowed
    assert allowed <= bucket.burst + (now - pauses[0]) // bucket.interval + 1


def test_a_clock_set_back_locks_nobody_out_for_long():
    bucket = Bucket(100_000, 20)
    _, tat = take(bucket, 0, 10**15)
    decision, _ = take(bucket, tat, 10**9, 20)
    assert decision.retry_after <= bucket.interval * bucket.burst


@pytest.mark.parametrize(
    ("text", "bucket"),
    [
        ("10/s burst 20", Bucket(100_000, 20)),
        ("1/20s burst 3", Bucket(20 * MICROS, 3)),
        ("100/m burst 5", Bucket(600_000, 5)),
        ("2/h  burst 1", Bucket(1800 * MICROS, 1)),
    ],
)
def test_reads_a_rate(text: str, bucket: Bucket):
    assert parse(text) == bucket


@pytest.mark.parametrize(
    "text", ["", "10", "10/s", "0/s burst 1", "1/0s burst 1", "1/s burst 0", "2000000/s burst 1"]
)
def test_refuses_what_is_no_rate(text: str):
    with pytest.raises(ValueError, match=r"burst|million"):
        parse(text)


def test_local_buckets_stay_few_and_forget_the_fullest_first():
    now = [1000.0]
    local = LocalBuckets(lambda: now[0], limit=100)
    bucket = Bucket(MICROS, 2)
    for _ in range(2):
        assert local.take(bucket, b"attacker").allowed
    for number in range(500):
        local.take(bucket, b"passer-by %d" % number)
    assert not local.take(bucket, b"attacker").allowed
