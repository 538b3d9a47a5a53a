"""Tokens that are taken several at once stand for the decisions that single ones would."""

import pytest

from services.gateway.limits.leases import KEPT_SECONDS, MOST, Leases, lease_of
from shared.token_bucket import MICROS, Bucket, take
from tests.integration.gateway.rig import Clock

BUCKET = Bucket(5_000, 1000)
NOW = 1000 * MICROS


@pytest.mark.parametrize(
    ("burst", "lease"), [(1, 1), (20, 1), (127, 1), (128, 2), (640, 10), (1000, 15), (90_000, MOST)]
)
def test_little_of_a_bucket_is_taken_at_once_and_one_token_of_a_narrow_one(
    burst: int, lease: int
) -> None:
    assert lease_of(Bucket(1, burst)) == lease


def test_each_token_says_what_one_that_was_asked_for_alone_would() -> None:
    leases = Leases(Clock())
    together, _ = take(BUCKET, NOW, NOW, MOST)
    said = [leases.add(b"a", BUCKET, MOST, together)]
    said += [leases.spend(b"a", BUCKET) for _ in range(MOST - 1)]
    tat = NOW
    alone = []
    for _ in range(MOST):
        decision, tat = take(BUCKET, tat, NOW)
        alone.append(decision)
    assert said == alone
    assert leases.spend(b"a", BUCKET) is None


def test_what_is_not_spent_soon_is_lost() -> None:
    clock = Clock()
    leases = Leases(clock)
    leases.add(b"a", BUCKET, MOST, take(BUCKET, NOW, NOW, MOST)[0])
    assert leases.spend(b"a", BUCKET) is not None
    assert leases.spend(b"b", BUCKET) is None
    clock.now += KEPT_SECONDS
    assert leases.spend(b"a", BUCKET) is None
    assert leases.spend(b"a", BUCKET) is None


def test_no_flood_of_callers_makes_it_grow_without_end() -> None:
    clock = Clock()
    leases = Leases(clock)
    after = take(BUCKET, NOW, NOW, MOST)[0]
    for caller in range(50_000):
        leases.add(b"%d" % caller, BUCKET, MOST, after)
        clock.now += KEPT_SECONDS / 10_000
    assert len(leases._leases) <= 20_000
    assert leases.spend(b"49999", BUCKET) is not None
