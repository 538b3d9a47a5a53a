"""Auth's tables and the log agree, whenever the process dies.

A change of the tables and its events are committed together (``pending_events``); then the events
are appended to the log and leave the table. If the process dies in between, the next command of
that user, or the maintenance loop, appends them: their ids make a second append harmless, and the
lock on the account keeps their order. See docs/decisions/0010.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from services.auth import domain
from services.auth.domain import Command, User
from services.auth.ports import EventOutboxTable, LockedAccount, PendingEvents
from shared.contracts import Event, new_id, stream_id
from shared.event_store.decider import Decider, load
from shared.event_store.store import EventStore, Metadata, NewEvent
from shared.loops.items import ItemMetrics, Items
from shared.telemetry import current_trace_id, current_traceparent

_DECIDER: Final = Decider(User, domain.decide, domain.evolve)


class EventOutbox:
    """Decides on users' streams and appends the committed events to the log."""

    def __init__(self, table: EventOutboxTable, store: EventStore, metrics: ItemMetrics) -> None:
        self._table = table
        self._store = store
        self._users = Items("append pending events", metrics)

    async def decide(self, locked: LockedAccount, command: Command, now: datetime) -> None:
        """Decide on the whole stream; the events are kept in the account's transaction.

        Raises what ``domain.decide`` raises.
        """
        user_id = locked.account.user_id
        for left in await locked.pending():
            await self._append(left)
            await locked.remove_pending(left)
        user, version = await load(self._store, stream_id("user", user_id), _DECIDER)
        events = domain.decide(user, command)
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
