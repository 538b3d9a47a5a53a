"""Auth's tables and the log agree, whenever the process dies.

A change of the tables and its events are committed together (``pending_events``); then the events
are appended to the log and leave the table. If the process dies in between, the next command of
that user, or the maintenance loop, appends them: their ids make a second append harmless, and the
lock on the account keeps their order. See docs/decisions/0010.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from services.auth import domain
from services.auth.domain import Command, User
from services.auth.ports import EventOutboxTable, LockedAccount, PendingEvents
from shared.contracts import (
    DefaultVisibilityChanged,
    EmailChanged,
    Event,
    PasswordChanged,
    new_id,
    stream_id,
)
from shared.event_store.changes import too_many_changes
from shared.event_store.decider import Decider, fold
from shared.event_store.store import EventStore, Metadata, NewEvent, RecordedEvent
from shared.loops.items import ItemMetrics, Items
from shared.telemetry import current_trace_id, current_traceparent

CHANGES_PER_DAY: Final = 100
"""Changes of the account itself, beside those of its videos and live streams."""

_CHANGES: Final = (EmailChanged, PasswordChanged, DefaultVisibilityChanged)
_DECIDER: Final = Decider(User, domain.decide, domain.evolve)


class EventOutbox:
    """Decides on users' streams and appends the committed events to the log."""

    def __init__(self, table: EventOutboxTable, store: EventStore, metrics: ItemMetrics) -> None:
        self._table = table
        self._store = store
        self._users = Items("append pending events", metrics)

    async def decide(self, locked: LockedAccount, command: Command, now: datetime) -> None:
        """Decide on the whole stream; the events are kept in the account's transaction.

        Raises what ``domain.decide`` raises, and TooManyChanges.
        """
        user_id = locked.account.user_id
        for left in await locked.pending():
            await self._append(left)
            await locked.remove_pending(left)
        history = await self._store.read_stream(stream_id("user", user_id))
        user, version = fold(history, _DECIDER)
        events = domain.decide(user, command)
        _check_changes(history, events, now)
        if events:
            await locked.add_pending(pending_events(user_id, version, events), now)

    async def append_pending(self, user_id: str) -> int:
        """Append the committed events of one user; returns how many batches."""
        left = await self._table.pending(user_id)
        for pending in left:
            await self._append(pending)
            await self._table.remove_pending(pending)
        return len(left)

    async def append_all(self) -> int:
        """Append the committed events of some users; returns how many batches there were.

        A user whose events cannot be appended waits, and no other waits for it.
        """
        users = await self._table.users(self._users.waiting)
        counts: list[int] = []

        async def append(user_id: str) -> None:
            counts.append(await self.append_pending(user_id))

        await self._users.each(users, str, append)
        return sum(counts)

    async def _append(self, pending: PendingEvents) -> None:
        await self._store.append(
            stream_id("user", pending.user_id),
            pending.expected_version,
            pending.events,
            pending.metadata,
        )


def _check_changes(
    history: Sequence[RecordedEvent], events: Sequence[Event], now: datetime
) -> None:
    """Events that auth has committed are appended in any case, so they are counted before."""
    if any(isinstance(event, _CHANGES) for event in events):
        today = now.astimezone(UTC).date()
        changes = (e for e in history if isinstance(e.data, _CHANGES))
        if sum(e.recorded_at.astimezone(UTC).date() == today for e in changes) >= CHANGES_PER_DAY:
            raise too_many_changes(CHANGES_PER_DAY, now)


def pending_events(user_id: str, version: int, events: Sequence[Event]) -> PendingEvents:
    """Events with new ids, for a stream that is at ``version``."""
    return PendingEvents(
        user_id=user_id,
        expected_version=version,
        events=tuple(NewEvent(event) for event in events),
        metadata=Metadata(
            correlation_id=current_trace_id() or new_id(),
            actor=user_id,
            traceparent=current_traceparent(),
        ),
    )
