"""Bytes that were stored for nothing: a budget for each user, which comes back."""

import pytest

from services.ingest.handlers.discarded import BURST, MIB, Discarded, TooMuchDiscarded


def test_a_user_has_a_budget_that_comes_back() -> None:
    now = 0.0
    discarded = Discarded(lambda: now)
    for _ in range(BURST // 64):
        discarded.check("ann")
        discarded.add("ann", 64 * MIB)
    with pytest.raises(TooMuchDiscarded):
        discarded.check("ann")
    discarded.check("eve")
    now = 1.5
    discarded.check("ann")
    discarded.add("ann", 64 * MIB)
    with pytest.raises(TooMuchDiscarded):
        discarded.check("ann")


def test_single_bytes_cost_as_much_as_a_mebibyte() -> None:
    discarded = Discarded(lambda: 0.0)
    for _ in range(BURST):
        discarded.check("ann")
        discarded.add("ann", 1)
    with pytest.raises(TooMuchDiscarded):
        discarded.check("ann")
