"""A new leader of the sequencer loses nothing that the old one had seen."""

import asyncpg
import pytest

from shared.event_store.sequencer import Fenced, Sequencer
from tests.integration.event_store.log_writers import INSERT, Connection, order
from tests.support.databases import Database


async def test_a_new_leader_keeps_a_number_as_long_as_its_writer_runs(
    writers: tuple[Connection, Connection], leader: Connection
) -> None:
    slow, fast = writers
    early = fast.transaction()
    await early.start()
    await fast.fetchval("select pg_current_xact_id()")
    late = slow.transaction()
    await late.start()
    await slow.fetchval(INSERT, "late")
    await fast.fetchval(INSERT, "early")
    await early.commit()
    old = Sequencer(leader)
    await old.load()
    await old.stamp()
    new = Sequencer(leader)
    await new.load()
    for _ in range(3):
        await new.stamp()
    await late.commit()
    await new.stamp()
    assert await order(leader) == ["early", "late"]


async def test_a_new_leader_finds_what_the_old_one_saw_uncommitted(
    writers: tuple[Connection, Connection], leader: Connection
) -> None:
    slow, fast = writers
    old = Sequencer(leader)
    await old.load()
    transaction = slow.transaction()
    await transaction.start()
    await slow.fetchval(INSERT, "late")
    await fast.fetchval(INSERT, "early")
    await old.stamp()
    new = Sequencer(leader)
    await new.load()
    await transaction.commit()
    assert await new.stamp() == 1
    assert await order(leader) == ["early", "late"]


async def test_a_new_leader_goes_by_the_sequencers_own_frontier(
    writers: tuple[Connection, Connection], leader: Connection, database: Database
) -> None:
    """Other values are kept beside it, as the end of the archive is."""
    slow, fast = writers
    await fast.execute("insert into log.relay (name, value) values ('a', 1000), ('z', 1000)")
    old = Sequencer(leader)
    await old.load()
    transaction = slow.transaction()
    await fast.fetchval(INSERT, "first")
    await old.stamp()
    await transaction.start()
    await slow.fetchval(INSERT, "late")
    for name in ("early", "next"):
        await fast.fetchval(INSERT, name)
    await old.stamp()
    await transaction.commit()
    new = Sequencer(leader)
    await new.load()
    assert new.head == 3
    assert await new.stamp() == 1
    assert new.head == 4
    assert await order(leader) == ["first", "early", "next", "late"]
    others = await fast.fetch("select value from log.relay where name in ('a', 'z')")
    assert [row["value"] for row in others] == [1000, 1000]


async def test_a_new_leader_keeps_the_first_of_several_numbers(
    writers: tuple[Connection, Connection], leader: Connection, database: Database
) -> None:
    first, other = writers
    second = await asyncpg.connect(database.admin_url)
    try:
        for connection, name in ((first, "first"), (second, "second")):
            await connection.execute("begin")
            await connection.fetchval(INSERT, name)
            await other.fetchval(INSERT, f"after {name}")
        old = Sequencer(leader)
        await old.load()
        assert await old.stamp() == 2
        new = Sequencer(leader)
        await new.load()
        for connection in (first, second):
            await connection.execute("commit")
            assert await new.stamp() == 1
    finally:
        await second.close()
    assert await order(leader) == ["after first", "after second", "first", "second"]


async def test_a_new_leader_goes_on_where_everything_was_stamped(
    writers: tuple[Connection, Connection], leader: Connection
) -> None:
    for number in range(3):
        await writers[0].fetchval(INSERT, f"old-{number}")
    old = Sequencer(leader)
    await old.load()
    assert await old.stamp() == 3
    assert await old.stamp() == 0
    new = Sequencer(leader)
    await new.load()
    await writers[0].fetchval(INSERT, "new")
    assert await new.stamp() == 1
    assert (await order(leader))[3:] == ["new"]


async def test_two_sequencers_cannot_both_stamp(
    writers: tuple[Connection, Connection], leader: Connection, database: Database
) -> None:
    rival_connection = await asyncpg.connect(database.url("relay"))
    try:
        leading, rival = Sequencer(leader), Sequencer(rival_connection)
        await leading.load()
        await rival.load()
        await writers[0].fetchval(INSERT, "a")
        await leading.stamp()
        await writers[0].fetchval(INSERT, "b")
        with pytest.raises(Fenced):
            await rival.stamp()
        await leading.stamp()
        assert await order(leader) == ["a", "b"]
    finally:
        await rival_connection.close()
