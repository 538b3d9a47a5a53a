"""How slowly a body may arrive."""

import pytest

from shared.pace import Pace


def seconds_until_refused(sizes: int, every: float, pace: Pace) -> float:
    """How long a sender of ``sizes`` bytes every so many seconds is waited for, an hour at most."""
    passed = 0.0
    while passed < 3600:
        if pace.left < every:
            return passed + pace.left
        passed += every
        pace.arrived(sizes, every)
    return passed


@pytest.mark.parametrize("every", [0.001, 0.1, 1.0, 14.9, 15.0, 29.9])
def test_a_trickle_of_single_bytes_ends(every: float):
    # So many single bytes earn a little time themselves.
    assert seconds_until_refused(1, every, Pace(2048, 30)) < (60 if every > 0.0005 else 3600)


@pytest.mark.parametrize(("sizes", "every"), [(1024, 1.0), (30_720, 29.0), (110, 0.1)])
def test_who_keeps_the_rate_is_never_refused(sizes: int, every: float):
    assert seconds_until_refused(sizes, every, Pace(1024, 30)) >= 3600


def test_a_fast_beginning_buys_no_endless_pause():
    pace = Pace(1024, 30)
    pace.arrived(10**9, 0.1)
    assert pace.left == 30


def test_a_late_wake_up_is_not_held_against_what_has_arrived():
    pace = Pace(1024, 30)
    pace.arrived(10_240, 45.0)
    assert pace.left == 10
