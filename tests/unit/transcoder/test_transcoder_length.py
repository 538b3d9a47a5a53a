"""Whether a length is explained by packets: what is held, what is free, and what is refused."""

from collections.abc import Iterable
from fractions import Fraction

import pytest

from services.transcoder.planning.length import (
    check_length,
    explained,
    is_explained,
    least_length,
)
from services.transcoder.planning.media_errors import MediaRejected
from services.transcoder.planning.probe_report import ProbedSource
from shared.contracts import SourceFacts


def probed(
    seconds: Iterable[int] | None, duration: float, rate: int = 25, start: float = 0.0
) -> ProbedSource:
    facts = SourceFacts(container="mov", duration_ms=round(1000 * duration), size=1)
    known = None if seconds is None else frozenset(seconds)
    return ProbedSource(facts, Fraction(rate), duration, 0, start, True, frozenset({0}), known)


@pytest.mark.parametrize(
    ("seconds", "rate", "covered"),
    [
        # A packet explains 10 s, or 250 frames where these last longer.
        ([0], 25, 10),
        ([0], 60, 10),
        ([0], 5, 50),
        ([0], 1, 250),
        ([0], 0, 10),
        ([0, 3], 25, 13),
        ([0, 10], 25, 20),
        ([0, 11], 25, 20),
        ([0, 86_000], 25, 20),
        (range(100), 25, 109),
        ([-1, 0], 25, 11),
        ([], 25, 0),
    ],
)
def test_what_packets_explain(seconds: Iterable[int], rate: int, covered: float) -> None:
    assert explained(probed(seconds, 1.0, rate)) == covered


@pytest.mark.parametrize(
    ("seconds", "duration", "rate", "fine"),
    [
        # 1,800 frames are free: 72 s at 25 frames per second, 60 s of sound.
        ([0], 82, 25, True),
        ([0], 82.1, 25, False),
        ([0], 40, 60, True),
        ([0], 40.1, 60, False),
        ([0], 70, 0, True),
        ([0], 70.1, 0, False),
        ([0], 2050, 1, True),
        ([0], 2051, 1, False),
        # As much again as there is.
        (range(1000), 2018, 25, True),
        (range(1000), 2019, 25, False),
        # A packet of another track far behind the end is in the length.
        ([0, 1, 2, 500], 3.0, 25, False),
        (None, 86_000, 25, True),
    ],
)
def test_how_much_may_be_unexplained(
    seconds: Iterable[int] | None, duration: float, rate: int, *, fine: bool
) -> None:
    found = probed(seconds, duration, rate)
    assert is_explained(found) is fine
    if fine:
        check_length(found)
    else:
        with pytest.raises(MediaRejected) as caught:
            check_length(found)
        assert caught.value.code == "media.gap"


def test_a_file_that_begins_late_is_no_longer_for_that() -> None:
    check_length(probed(range(80_000, 80_010), 10.0, start=80_000.0))


def test_a_day_is_the_most() -> None:
    check_length(probed(range(86_400), 86_400.0))
    for found in (probed(range(86_400), 86_400.1), probed([0, 86_500], 1.0), probed(None, 1e6)):
        with pytest.raises(MediaRejected) as caught:
            check_length(found)
        assert caught.value.code == "media.too_long"


@pytest.mark.parametrize(
    ("duration", "words"),
    [(119.0, "last 119 s"), (150.0, "last 2 min"), (7260.0, "last 2 h 1 min")],
)
def test_a_refusal_names_both_lengths(duration: float, words: str) -> None:
    with pytest.raises(MediaRejected) as caught:
        check_length(probed([0], duration))
    assert words in caught.value.reason
    assert "for 10 s only." in caught.value.reason


@pytest.mark.parametrize(
    ("seconds", "least"),
    [
        ([], 0),
        ([5], 0),
        ([5, 6], 0),
        ([5, 6, 7], 1),
        ([1, 2, 3, 4, 90, 91, 92], 3),
        ([1, 9, 17], 0),
    ],
)
def test_seconds_that_a_copy_must_have(seconds: list[int], least: float) -> None:
    assert least_length(probed(seconds, 1.0)) == least
