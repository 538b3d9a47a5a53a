"""The circuit breaker's states."""

from services.gateway.upstream.breaker import Breaker, State


def broken(at: float = 0.0) -> Breaker:
    breaker = Breaker(threshold=3, base=1.0, longest=4.0)
    for _ in range(3):
        assert breaker.admit(at) == 0
        breaker.failed(at)
    return breaker


def test_opens_after_failures_in_a_row():
    breaker = Breaker(threshold=3)
    breaker.failed(0)
    breaker.failed(0)
    breaker.succeeded()
    breaker.failed(0)
    breaker.failed(0)
    assert breaker.admit(0) == 0
    breaker.failed(0)
    assert breaker.state(0.5) is State.OPEN
    assert breaker.admit(0.25) == 0.75


def test_lets_one_try_when_the_time_is_over():
    breaker = broken()
    assert breaker.state(1.0) is State.HALF_OPEN
    assert breaker.admit(1.0) == 0
    assert breaker.admit(1.0) > 0
    breaker.succeeded()
    assert breaker.state(1.0) is State.CLOSED
    assert breaker.admit(1.0) == 0


def test_waits_twice_as_long_each_time_up_to_a_limit():
    breaker, now, waits = broken(), 1.0, []
    for _ in range(4):
        assert breaker.admit(now) == 0
        breaker.failed(now)
        waits.append(breaker.admit(now))
        now += waits[-1]
    assert waits == [2.0, 4.0, 4.0, 4.0]


def test_a_try_that_says_nothing_leaves_room_for_the_next():
    breaker = broken()
    assert breaker.admit(1.0) == 0
    breaker.abandoned()
    assert breaker.admit(1.0) == 0


def test_late_failures_of_older_requests_do_not_prolong_the_rest():
    breaker = broken()
    breaker.failed(0.9)
    assert breaker.state(1.0) is State.HALF_OPEN
