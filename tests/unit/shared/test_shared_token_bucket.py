"""The bucket's arithmetic, compared with buckets that hold their tokens."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from shared.token_bucket import MICROS, Bucket, LocalBuckets, take, take_all

buckets = st.builds(Bucket, st.integers(1, 20 * MICROS), st.integers(1, 50))
steps = st.lists(st.tuples(st.integers(0, 5 * MICROS), st.integers(-2, 3)), max_size=60)


class Model:
    """A bucket that really holds (fractions of) tokens."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.tokens = Fraction(bucket.burst)

    def drip(self, micros: int) -> None:
        self.add(Fraction(micros, self.bucket.interval))

    def add(self, tokens: Fraction) -> None:
        self.tokens = min(Fraction(self.bucket.burst), self.tokens + tokens)


@given(st.lists(buckets, min_size=1, max_size=3), steps)
def test_decides_like_buckets_of_tokens(asked: list[Bucket], given_steps: list[tuple[int, int]]):
    """All of several buckets give their tokens, or none does."""
    models, tats, now = [Model(bucket) for bucket in asked], [0] * len(asked), 0
    for pause, cost in given_steps:
        now += pause
        for model in models:
            model.drip(pause)
        allowed = all(model.tokens >= cost for model in models)
        if allowed:
            for model in models:
                model.add(Fraction(-cost))
        decision, tats = take_all(asked, tats, now, cost)
        assert decision.allowed is allowed
        assert decision.remaining == min(int(model.tokens) for model in models)


@given(st.lists(buckets, min_size=1, max_size=3), steps, st.integers(1, 3))
def test_retry_after_is_exact(asked: list[Bucket], given_steps: list[tuple[int, int]], cost: int):
    tats, now = [0] * len(asked), 0
    for pause, step_cost in given_steps:
        now += pause
        _, tats = take_all(asked, tats, now, step_cost)
    decision, _ = take_all(asked, tats, now, cost)
    if decision.allowed or cost > min(bucket.burst for bucket in asked):
        return
    assert not take_all(asked, tats, now + decision.retry_after - 1, cost)[0].allowed
    assert take_all(asked, tats, now + decision.retry_after, cost)[0].allowed


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


def test_local_buckets_stay_few_and_forget_the_fullest_first():
    now = [1000.0]
    local = LocalBuckets(lambda: now[0], limit=100)
    bucket = Bucket(MICROS, 2)
    for _ in range(2):
        assert local.take(b"attacker", bucket).allowed
    for number in range(500):
        local.take(b"passer-by %d" % number, bucket)
    assert not local.take(b"attacker", bucket).allowed


def test_local_buckets_are_asked_together_and_take_tokens_back():
    local = LocalBuckets(lambda: 1000.0)
    narrow, wide = Bucket(MICROS, 1), Bucket(MICROS, 3)
    both = {b"narrow": narrow, b"wide": wide}
    assert local.take_all(both).allowed
    assert not local.take_all(both).allowed
    # The refused attempt took nothing of the wide one.
    assert local.take(b"wide", wide).remaining == 1
    local.take_all(both, -1)
    assert local.take_all(both).allowed


def test_what_another_process_took_counts_here():
    local = LocalBuckets(lambda: 1000.0)
    bucket = Bucket(MICROS, 3)
    local.note(b"x", 2 * MICROS)
    assert local.take(b"x", bucket).allowed
    assert not local.take(b"x", bucket).allowed
