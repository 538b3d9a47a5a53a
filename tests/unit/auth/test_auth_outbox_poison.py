"""One user's events that cannot be appended do not hold up those of a hundred others."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from services.auth.event_outbox import EventOutbox, pending_events
from services.auth.ports import PendingEvents
from shared.contracts import EmailChanged
from shared.event_store.memory import MemoryEventStore
from shared.event_store.store import Metadata, NewEvent, Unreadable
from shared.loops.items import ItemMetrics

USERS = [f"user{number}" for number in range(100)]


class Table:
    """The outbox: one batch for each user; rows of ``unknown`` are of a newer version."""

    def __init__(self, unknown: str | None = None) -> None:
        self.unknown = unknown
        self.left = {
            user: [pending_events(user, 0, [EmailChanged(user_id=user)])] for user in USERS
        }

    async def users(self, without: Sequence[str]) -> list[str]:
        return [user for user, left in self.left.items() if left and user not in without]

    async def pending(self, user_id: str) -> list[PendingEvents]:
        if user_id == self.unknown:
            raise ValueError("a type that this build does not know")
        return self.left[user_id]

    async def remove_pending(self, pending: PendingEvents) -> None:
        self.left[pending.user_id] = []


async def test_a_user_whose_events_cannot_be_appended_is_passed_over() -> None:
    store, table = MemoryEventStore(), Table(unknown="user12")
    # Another writer was in the stream, so that the expected version is wrong for good.
    newer = NewEvent(Unreadable(reason="newer"))
    await store.append("user-user37", 0, [newer], Metadata())
    outbox = EventOutbox(table, store, ItemMetrics(CollectorRegistry()))
    assert await outbox.append_all() == 98
    assert await outbox.append_all() == 0
    streams = {event.stream_id for event in await store.read_all(0, 1000)}
    assert streams == {f"user-{user}" for user in USERS if user != "user12"}
