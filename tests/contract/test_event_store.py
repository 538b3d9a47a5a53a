"""One suite for every event store: in memory and on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import msgspec
import pytest
from prometheus_client import CollectorRegistry

from shared.contracts import EmailChanged, PasswordChanged, new_id, stream_id, uuid7
from shared.event_store.memory import MemoryEventStore
from shared.event_store.postgres import open_event_store
from shared.event_store.sequencer import Sequencer
from shared.event_store.store import EventStore, Metadata, NewEvent, WrongExpectedVersion
from tests.support.databases import Database
from tests.support.wait import eventually

META = Metadata(actor="someone", traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01")


class Subject:
    """A store under test, and how its events get their positions."""

    def __init__(self, store: EventStore, relay_url: str | None) -> None:
        self.store = store
        self._relay_url = relay_url

    async def sequence(self) -> None:
        if self._relay_url is None:
            return
        connection = await asyncpg.connect(self._relay_url)
        try:
            sequencer = Sequencer(connection)
            await sequencer.load()
            while await sequencer.stamp():
                pass
        finally:
            await connection.close()


@pytest.fixture(params=["memory", "postgres"])
async def subject(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[Subject]:
    if request.param == "memory":
        yield Subject(MemoryEventStore(), None)
        return
    async with open_event_store(database.url("auth")) as store:
        yield Subject(store, database.url("relay"))


def changed(user: str) -> NewEvent:
    return NewEvent(EmailChanged(user_id=user))


@pytest.fixture
def user() -> str:
    return new_id()


async def test_events_come_back_as_they_were_appended(subject: Subject, user: str) -> None:
    stream = stream_id("user", user)
    first, second = changed(user), NewEvent(PasswordChanged(user_id=user))
    assert await subject.store.append(stream, 0, [first, second], META) == 2
    recorded = await subject.store.read_stream(stream)
    assert [(e.version, e.type, e.data, e.event_id) for e in recorded] == [
        (1, "EmailChanged", first.data, first.event_id),
        (2, "PasswordChanged", second.data, second.event_id),
    ]
    assert all(e.metadata == META and e.stream_id == stream for e in recorded)
    assert [e.version for e in await subject.store.read_stream(stream, 1)] == [2]


async def test_what_came_after_a_version_is_read_of_many_streams_at_once(
    subject: Subject, user: str
) -> None:
    ann, bob, nobody = stream_id("user", user), stream_id("user", new_id()), stream_id("user", "x")
    await subject.store.append(ann, 0, [changed(user), changed(user), changed(user)], META)
    await subject.store.append(bob, 0, [changed("b")], META)
    found = await subject.store.read_after({ann: 1, bob: 0, nobody: 0})
    assert {stream: [e.version for e in events] for stream, events in found.items()} == {
        ann: [2, 3],
        bob: [1],
    }
    assert await subject.store.read_after({ann: 3, bob: 9}) == {}
    assert await subject.store.read_after({}) == {}


@pytest.mark.parametrize("expected", [0, 2, 7])
async def test_a_wrong_expected_version_is_refused_and_writes_nothing(
    subject: Subject, user: str, expected: int
) -> None:
    stream = stream_id("user", user)
    await subject.store.append(stream, 0, [changed(user)], META)
    with pytest.raises(WrongExpectedVersion):
        await subject.store.append(stream, expected, [changed(user), changed(user)], META)
    assert len(await subject.store.read_stream(stream)) == 1


async def test_appending_the_same_events_again_is_harmless(subject: Subject, user: str) -> None:
    stream = stream_id("user", user)
    events = [NewEvent(EmailChanged(user_id=user), uuid7()), changed(user)]
    await subject.store.append(stream, 0, events, META)
    await subject.store.append(stream, 2, [changed(user)], META)
    assert await subject.store.append(stream, 0, events, META) == 2
    assert len(await subject.store.read_stream(stream)) == 3


async def test_an_append_that_is_in_the_log_only_in_part_is_refused(
    subject: Subject, user: str
) -> None:
    stream = stream_id("user", user)
    first = changed(user)
    await subject.store.append(stream, 0, [first], META)
    for events in ([first, changed(user)], [changed(user), first]):
        with pytest.raises(WrongExpectedVersion):
            await subject.store.append(stream, 0, events, META)
    assert len(await subject.store.read_stream(stream)) == 1


async def test_one_of_many_writers_at_once_wins(subject: Subject, user: str) -> None:
    stream = stream_id("user", user)
    results = await asyncio.gather(
        *(subject.store.append(stream, 0, [changed(user)], META) for _ in range(20)),
        return_exceptions=True,
    )
    assert sum(result == 1 for result in results) == 1
    assert sum(isinstance(result, WrongExpectedVersion) for result in results) == 19


async def test_a_conflict_does_not_harm_others_appending_at_the_same_time(
    subject: Subject, user: str
) -> None:
    stream = stream_id("user", user)
    await subject.store.append(stream, 0, [changed(user)], META)
    others = [new_id() for _ in range(30)]
    results = await asyncio.gather(
        *(subject.store.append(stream_id("user", o), 0, [changed(o)], META) for o in others),
        *(subject.store.append(stream, 0, [changed(user)], META) for _ in range(5)),
        return_exceptions=True,
    )
    assert results[:30] == [1] * 30
    assert all(isinstance(result, WrongExpectedVersion) for result in results[30:])


async def test_positions_are_contiguous_and_in_stream_order(subject: Subject) -> None:
    users = [new_id() for _ in range(10)]
    await asyncio.gather(
        *(subject.store.append(stream_id("user", u), 0, [changed(u)] * 1, META) for u in users)
    )
    await asyncio.gather(
        *(subject.store.append(stream_id("user", u), 1, [changed(u)], META) for u in users)
    )
    await subject.sequence()
    events = await subject.store.read_all(0, 1000)
    assert [e.position for e in events] == list(range(1, len(events) + 1))
    assert await subject.store.head() == len(events)
    for u in users:
        assert [e.version for e in events if e.stream_id == stream_id("user", u)] == [1, 2]


async def test_reading_on_from_a_position(subject: Subject, user: str) -> None:
    stream = stream_id("user", user)
    for version in range(5):
        await subject.store.append(stream, version, [changed(user)], META)
    await subject.sequence()
    head = await subject.store.head()
    page = await subject.store.read_all(head - 3, 2)
    assert [e.position for e in page] == [head - 2, head - 1]
    assert await subject.store.position_of(stream, 5) == head
    assert await subject.store.position_of(stream, 6) is None
    assert await subject.store.latest() == (stream, 5)


async def test_each_stream_is_read_by_itself(subject: Subject) -> None:
    one, other = (stream_id("user", new_id()) for _ in range(2))
    nobody = stream_id("user", new_id())
    assert await subject.store.latest() is None
    assert await subject.store.head() == 0
    # The longer stream is not the one that was written last.
    await subject.store.append(one, 0, [changed("a"), changed("b"), changed("c")], META)
    await subject.store.append(other, 0, [changed("d")], META)
    assert await subject.store.latest() == (other, 1)
    last = await subject.store.last_of(one)
    assert last is not None
    assert (last.version, last.data) == (3, changed("c").data)
    assert await subject.store.last_of(nobody) is None
    read = {
        after: [event.version for event in await subject.store.read_stream(one, after)]
        for after in (0, 1, 2, 3, 4)
    }
    assert read == {0: [1, 2, 3], 1: [2, 3], 2: [3], 3: [], 4: []}
    assert await subject.store.read_stream(nobody) == []
    together = await subject.store.read_streams([other, one, nobody])
    assert {name: [event.data for event in events] for name, events in together.items()} == {
        one: [changed("a").data, changed("b").data, changed("c").data],
        other: [changed("d").data],
        nobody: [],
    }
    assert [event.version for event in together[one]] == [1, 2, 3]
    await subject.sequence()
    streams = [(event.stream_id, event.version) for event in await subject.store.read_all(0, 9)]
    assert streams == [(one, 1), (one, 2), (one, 3), (other, 1)]
    for position, (stream, version) in enumerate(streams, start=1):
        assert await subject.store.position_of(stream, version) == position
    for stream, version in ((one, 0), (other, 2), (nobody, 1)):
        assert await subject.store.position_of(stream, version) is None


async def test_the_history_of_some_streams_is_read_in_global_order(subject: Subject) -> None:
    one, other, nobody = (stream_id("user", new_id()) for _ in range(3))
    password = NewEvent(PasswordChanged(user_id="u"))
    for version in range(2):
        for stream in (one, other):
            await subject.store.append(stream, version, [changed("a")], META)
    await subject.store.append(one, 2, [password], META)
    await subject.sequence()

    async def positions(after: int, last: int, limit: int, *without: str) -> list[int]:
        found = await subject.store.read_history([one, nobody], after, last, limit, without)
        assert {event.stream_id for event in found} <= {one}
        return [event.position for event in found]

    assert await positions(0, 5, 9) == [1, 3, 5]
    assert await positions(1, 4, 9) == [3]
    assert await positions(0, 5, 2) == [1, 3]
    assert await positions(0, 5, 9, "PasswordChanged") == [1, 3]


async def test_a_range_is_read_without_some_types(database: Database) -> None:
    user = new_id()
    stream = stream_id("user", user)
    async with open_event_store(database.url("auth")) as store:
        events = [changed(user), NewEvent(PasswordChanged(user_id=user)), changed(user)]
        await store.append(stream, 0, events, META)
        await Subject(store, database.url("relay")).sequence()

        async def positions(after: int, last: int, *without: str) -> list[int]:
            return [event.position for event in await store.read_between(after, last, without)]

        assert await positions(0, 3) == [1, 2, 3]
        assert await positions(1, 2) == [2]
        assert await positions(0, 3, "PasswordChanged") == [1, 3]
        assert await positions(0, 3, "PasswordChanged", "EmailChanged") == []
        (first,) = await store.read_between(0, 1, ())
        (same,) = await store.read_all(0, 1)
        assert msgspec.structs.replace(first, metadata=META) == same


async def test_a_store_is_measured_and_leaves_no_connection_behind(database: Database) -> None:
    registry = CollectorRegistry()
    user = new_id()
    async with open_event_store(database.url("auth"), registry=registry) as store:
        await store.append(stream_id("user", user), 0, [changed(user)], META)
        names = {family.name for family in registry.collect()}
        assert any("connections" in name for name in names)
        assert any("append" in name for name in names)
    owner = await asyncpg.connect(database.admin_url)

    async def alone() -> bool:
        others = "select count(*) from pg_stat_activity where usename = 'cinelog_auth'"
        return not await owner.fetchval(f"{others} and datname = current_database()")

    await eventually(alone)
    await owner.close()


async def test_an_empty_append_changes_nothing(subject: Subject, user: str) -> None:
    assert await subject.store.append(stream_id("user", user), 0, [], META) == 0
    assert await subject.store.read_stream(stream_id("user", user)) == []
