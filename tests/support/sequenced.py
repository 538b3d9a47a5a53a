"""Events as the log gives them to projections, with positions, for tests without a log."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from shared.contracts import Event
from shared.event_store.store import Metadata, SequencedEvent


def sequenced(
    facts: Sequence[tuple[str, Event]], at: datetime, *, apart: timedelta = timedelta()
) -> list[SequencedEvent]:
    """``facts``: streams and events, in the order of the log. The first is recorded ``apart``
    after ``at``, each other one ``apart`` later."""
    return [
        SequencedEvent(
            stream_id=stream,
            version=position,
            position=position,
            type=type(event).__name__,
            data=event,
            event_id=UUID(int=position),
            metadata=Metadata(),
            recorded_at=at + position * apart,
        )
        for position, (stream, event) in enumerate(facts, 1)
    ]
