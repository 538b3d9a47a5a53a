"""Where a source ends: as it states, or earlier."""

import pytest

from services.transcoder.planning.ending import ENDS_EARLY, clock, ending, is_cut, with_note
from shared.contracts import SourceFacts

FACTS = SourceFacts(container="mov", duration_ms=432_000, size=1)


@pytest.mark.parametrize(
    ("stated", "start", "last", "early"),
    [
        (600.0, 0.0, 600.0, False),
        # Containers round, and the last frames of sound are longer.
        (600.0, 0.0, 588.5, False),
        (600.0, 0.0, 587.9, True),
        (10.0, 0.0, 9.1, False),
        (10.0, 0.0, 8.9, True),
        (10.0, -0.02, 9.98, False),
        (None, 0.0, 432.0, False),
        # The time of the end, and the length.
        (24.0, 12.0, 24.0, False),
        (12.0, 12.0, 24.0, False),
        (600.0, 12.0, 612.0, False),
        (24.0, 12.0, 20.0, True),
        (10.0, 0.5, 5.0, True),
        # Times of a day's recording.
        (46_800.0, 43_200.0, 46_800.0, False),
    ],
)
def test_a_source_that_ends_before_its_end(
    stated: float | None, start: float, last: float, *, early: bool
) -> None:
    found = ending(stated, start, last)
    assert found.early == early
    assert found.reached == last - start


def test_its_uploader_is_told() -> None:
    facts = with_note(FACTS, ending(600.0, 0.0, 432.4))
    (note,) = facts.notes
    assert note.code == ENDS_EARLY
    assert note.text == (
        "The file says that it lasts 10:00, but it ends at 7:12. Everything up to there is kept."
    )
    assert is_cut(facts)
    assert not is_cut(FACTS)


def test_what_begins_late_lasts_from_its_beginning() -> None:
    assert ending(24.0, 12.0, 20.0).stated == 12.0
    assert ending(10.0, 0.5, 5.0).stated == 10.0


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (59.9, "0:59"), (432, "7:12"), (4032, "1:07:12")]
)
def test_times_as_players_show_them(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown
