"""Appends that share a commit: what each of them is told, whatever becomes of the others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg
import pytest

from shared.contracts import EmailChanged, new_id, stream_id
from shared.database.connect import create_pool
from shared.event_store import group_commit
from shared.event_store.group_commit import LOG_CHANNEL, GroupCommitter
from shared.event_store.store import Metadata, NewEvent, WrongExpectedVersion
from tests.support.databases import Database
from tests.support.wait import eventually

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
BLOCKED = "select pid from pg_locks where relation = 'log.events'::regclass and not granted"


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database.admin_url)
    yield connection
    await connection.close()


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    pool = await create_pool(database.url("auth"), size=4)
    yield pool
    await pool.close()


@asynccontextmanager
async def no_writing(owner: Connection) -> AsyncIterator[None]:
    """Let every insert wait until the end."""
    async with owner.transaction():
        await owner.execute("lock table log.events in exclusive mode")
        yield


async def blocked(owner: Connection, count: int) -> list[int]:
    """Wait until so many inserts wait; their server processes."""

    async def pids() -> list[int] | None:
        found = [row["pid"] for row in await owner.fetch(BLOCKED)]
        return found if len(found) == count else None

    return await eventually(pids)


def names(count: int) -> list[str]:
    return [stream_id("user", new_id()) for _ in range(count)]


def events(count: int = 1) -> list[NewEvent]:
    return [NewEvent(EmailChanged(user_id="u")) for _ in range(count)]


def append(
    committer: GroupCommitter, stream: str, expected: int = 0, count: int = 1
) -> "asyncio.Task[int]":
    return asyncio.create_task(committer.append(stream, expected, events(count), Metadata()))


async def versions(owner: Connection, stream: str) -> list[int]:
    rows = await owner.fetch(
        "select version from log.events where stream_id = $1 order by seq", stream
    )
    return [row["version"] for row in rows]


@pytest.mark.parametrize(
    ("appends", "groups"),
    [([100] * 20, [500] * 4), ([250, 249, 2, 3], [501, 3]), ([250, 250, 1], [500, 1])],
)
async def test_appends_at_the_same_time_share_commits_up_to_a_limit(
    pool: Pool, owner: Connection, appends: list[int], groups: list[int]
) -> None:
    """The last append of a group may go beyond it."""
    async with GroupCommitter(pool) as committer:
        streams = zip(names(len(appends)), appends, strict=True)
        done = await asyncio.gather(*(append(committer, name, 0, size) for name, size in streams))
    assert done == appends
    written = await owner.fetch(
        "select count(*) as events from log.events group by xmin::text order by events desc"
    )
    assert [row["events"] for row in written] == groups


async def test_appends_to_one_stream_are_written_one_after_the_other(
    pool: Pool, owner: Connection
) -> None:
    one, other = names(2)
    async with GroupCommitter(pool) as committer:
        done = await asyncio.gather(
            append(committer, one, 0, 2),
            append(committer, one, 2),
            append(committer, one, 3, 3),
            append(committer, other, 0),
            append(committer, one, 6),
        )
    assert done == [2, 3, 6, 1, 7]
    assert await versions(owner, one) == [1, 2, 3, 4, 5, 6, 7]


async def test_only_the_streams_own_version_counts(pool: Pool, owner: Connection) -> None:
    long, new = names(2)
    async with GroupCommitter(pool) as committer:
        assert await append(committer, long, 0, 3) == 3
        for stream, expected in ((new, 3), (new, 1), (long, 2), (long, 4)):
            with pytest.raises(WrongExpectedVersion):
                await append(committer, stream, expected)
        assert await append(committer, new, 0) == 1
    assert await versions(owner, long) == [1, 2, 3]
    assert await versions(owner, new) == [1]


async def test_one_wrong_version_in_a_group_is_refused_alone(pool: Pool, owner: Connection) -> None:
    taken, first, last = names(3)
    async with GroupCommitter(pool) as committer:
        await append(committer, taken, 0)
        for expected in (0, 7):
            found = await asyncio.gather(
                append(committer, first, 0 if expected == 0 else 1),
                append(committer, taken, expected),
                append(committer, last, 0 if expected == 0 else 1),
                return_exceptions=True,
            )
            assert isinstance(found[1], WrongExpectedVersion)
            assert found[0] == found[2] == (1 if expected == 0 else 2)
    assert await versions(owner, taken) == [1]


async def test_events_that_are_in_the_log_already_are_told_their_version(
    pool: Pool, owner: Connection
) -> None:
    stream, other = names(2)
    mine = events(2)
    async with GroupCommitter(pool) as committer:
        assert await committer.append(stream, 0, mine, Metadata()) == 2
        assert await append(committer, stream, 2) == 3
        # The same append again, whatever version it expects, alone and in a group.
        assert await committer.append(stream, 0, mine, Metadata()) == 2
        again = committer.append(stream, 5, mine, Metadata())
        assert await asyncio.gather(again, append(committer, other)) == [2, 1]
        # One of them is not the whole.
        with pytest.raises(WrongExpectedVersion):
            await committer.append(stream, 0, [mine[0], *events()], Metadata())
        # Another stream's append with the same ids is another append.
        with pytest.raises(WrongExpectedVersion):
            await committer.append(other, 0, mine, Metadata())
    assert await versions(owner, stream) == [1, 2, 3]


async def test_listeners_hear_of_each_commit(pool: Pool, owner: Connection) -> None:
    heard: list[str] = []
    await owner.add_listener(LOG_CHANNEL, lambda *told: heard.append(told[2]))
    async with GroupCommitter(pool) as committer:
        for number, name in enumerate(names(3), start=1):
            await append(committer, name)
            await eventually(lambda number=number: len(heard) >= number)
        # An append that is refused writes nothing that anyone could read.
        assert len(heard) == 3


async def test_commits_at_the_same_time_are_told_once(
    pool: Pool, owner: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "_NOTIFY_PAUSE_SECONDS", 3600)
    heard: list[str] = []
    await owner.add_listener(LOG_CHANNEL, lambda *told: heard.append(str(told[3])))
    async with GroupCommitter(pool) as committer:
        for name in names(5):
            await append(committer, name)
        await eventually(lambda: heard)
        # Notifications arrive in the order in which they were sent.
        await pool.execute("select pg_notify($1, 'last')", LOG_CHANNEL)
        await eventually(lambda: "last" in heard)
    assert len(heard) == 2


async def test_a_caller_that_gives_up_harms_nobody_in_its_group(
    pool: Pool, owner: Connection
) -> None:
    impatient, patient, known = names(3)
    async with GroupCommitter(pool) as committer:
        await append(committer, known)
        async with no_writing(owner):
            gone = append(committer, impatient)
            lost = append(committer, known)
            stays = append(committer, patient)
            await blocked(owner, 1)
            gone.cancel()
            lost.cancel()
        assert await stays == 1
        # It may be in the log all the same.
        assert await append(committer, impatient, 1) == 2
        assert await append(committer, known, 1) == 2


async def test_a_lost_connection_fails_what_was_written_over_it_and_nothing_else(
    pool: Pool, owner: Connection
) -> None:
    hit, missed = names(2)
    async with GroupCommitter(pool) as committer:
        async with no_writing(owner):
            broken = append(committer, hit)
            (pid,) = await blocked(owner, 1)
            behind = [append(committer, hit), append(committer, missed)]
            await blocked(owner, 2)
            await owner.execute("select pg_terminate_backend($1, 5000)", pid)
            with pytest.raises((OSError, asyncpg.PostgresError)):
                await broken
            await blocked(owner, 2)
        assert await asyncio.gather(*behind) == [1, 1]


async def test_without_a_connection_appends_fail_and_do_not_wait(database: Database) -> None:
    pool = await create_pool(database.url("auth"), size=4)
    (name,) = names(1)
    async with GroupCommitter(pool) as committer:
        async with database.outage():
            for _ in range(2):
                with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
                    await append(committer, name)
        assert await append(committer, name) == 1
    await pool.close()


async def test_closing_waits_for_what_is_under_way(pool: Pool, owner: Connection) -> None:
    first, second = names(2)
    closing = GroupCommitter(pool)
    await closing.__aenter__()
    async with no_writing(owner):
        under_way = [append(closing, first), append(closing, second)]
        await blocked(owner, 1)
        under_way.append(append(closing, first, 1))
        closed = asyncio.create_task(closing.__aexit__())
        assert not (await asyncio.wait([closed], timeout=0.1))[0]
    await closed
    assert [task.result() for task in under_way] == [1, 1, 2]
    assert pool.get_idle_size() == pool.get_size()


async def test_closing_waits_for_what_is_being_written(pool: Pool, owner: Connection) -> None:
    known, other = names(2)
    closing = GroupCommitter(pool)
    await closing.__aenter__()
    await append(closing, known)
    # What is written is not kept.
    assert not closing._writing
    async with no_writing(owner):
        under_way = append(closing, other)
        await blocked(owner, 1)
        closed = asyncio.create_task(closing.__aexit__())
        assert not (await asyncio.wait([closed], timeout=0.1))[0]
    await closed
    assert under_way.result() == 1


async def test_closing_does_not_wait_for_ever(
    pool: Pool, owner: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "_CLOSING_SECONDS", 0.1)
    (name,) = names(1)
    closing = GroupCommitter(pool)
    await closing.__aenter__()
    async with no_writing(owner):
        under_way = append(closing, name)
        await blocked(owner, 1)
        waiting, given_up = append(closing, name, 1), append(closing, name, 1)
        await asyncio.sleep(0)
        given_up.cancel()
        await closing.__aexit__()
        assert pool.get_idle_size() == pool.get_size()
        for task in (under_way, waiting):
            with pytest.raises(ConnectionError, match="closing"):
                await task
