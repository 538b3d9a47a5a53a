"""Which of the events at hand may be applied: duplicates, disorder and gaps."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import EmailChanged, uuid7
from shared.event_store.projections.projection import contiguous
from shared.event_store.store import Metadata, SequencedEvent


def event(position: int) -> SequencedEvent:
    return SequencedEvent(
        position=position,
        stream_id="user-1",
        version=position,
        type="EmailChanged",
        data=EmailChanged(user_id="1"),
        event_id=uuid7(),
        metadata=Metadata(),
        recorded_at=datetime.now(UTC),
    )


def positions(events: list[SequencedEvent]) -> list[int]:
    return [e.position for e in events]


def test_what_continues_is_taken() -> None:
    run, complete = contiguous(3, [event(4), event(5)])
    assert positions(run) == [4, 5]
    assert complete


def test_what_was_seen_is_dropped() -> None:
    run, complete = contiguous(4, [event(3), event(4), event(5), event(5)])
    assert positions(run) == [5]
    assert complete


def test_nothing_is_taken_past_a_gap() -> None:
    run, complete = contiguous(3, [event(4), event(6)])
    assert positions(run) == [4]
    assert not complete


@given(st.integers(0, 20), st.lists(st.integers(1, 40)))
def test_the_run_never_skips_and_never_repeats(start: int, given_positions: list[int]) -> None:
    run, complete = contiguous(start, [event(p) for p in sorted(given_positions)])
    assert positions(run) == list(range(start + 1, start + 1 + len(run)))
    assert complete == (max(given_positions, default=0) <= start + len(run))
