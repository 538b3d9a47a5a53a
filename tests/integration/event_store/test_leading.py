"""Leading over a real advisory lock: every way out, and every leader that comes back."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from shared.database_sessions import LEADER_SESSION
from shared.loops import leadership
from shared.loops.cancellation import TaskDidNotEnd, end
from shared.loops.leaders import Leader
from shared.loops.leadership import LeadershipLost, lead_once
from shared.loops.loops import Loops
from tests.support.databases import Database
from tests.support.network import network
from tests.support.road import Road
from tests.support.wait import eventually

_LEADER = Leader.RECONCILER


@pytest.fixture
async def owner(database: Database) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(database.admin_url)
    yield connection
    await connection.close()


async def end_sessions(owner: "asyncpg.Connection[asyncpg.Record]") -> None:
    """End the session that holds the lock, as a restart of the server does."""
    await owner.execute(
        "select pg_terminate_backend(pid) from pg_locks"
        " where locktype = 'advisory' and granted and database ="
        " (select oid from pg_database where datname = current_database())"
    )


class Body:
    """Counts how often it began. With ``error`` its cancellation leaves it as a group of errors."""

    def __init__(self, ending: str) -> None:
        self.begun = 0
        self._ending = ending

    async def run(self, _connection: object) -> None:
        self.begun += 1
        async with asyncio.TaskGroup() as group:
            group.create_task(self._wait())
            group.create_task(self._wait())

    async def _wait(self) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if self._ending == "error":
                raise ConnectionError("the connection was closed") from None
            raise


@pytest.mark.parametrize("ending", ["cancelled", "error"])
async def test_a_leader_whose_session_ends_leads_again(
    database: Database, owner: "asyncpg.Connection[asyncpg.Record]", ending: str
) -> None:
    registry = CollectorRegistry()
    loops, body = Loops(registry), Body(ending)
    leading = asyncio.create_task(
        loops.lead(_LEADER, database.url("catalog"), body.run, retry_seconds=0)
    )
    for turn in range(1, 4):
        await eventually(lambda turn=turn: body.begun == turn)
        assert registry.get_sample_value("cinelog_leader", {"leader": _LEADER.value}) == 1
        await end_sessions(owner)
    await eventually(lambda: body.begun == 4)
    # Nothing of the losses is left on the task: a time limit in it is a TimeoutError still.
    assert leading.cancelling() == 0
    await end([leading])
    assert leading.cancelled()
    assert registry.get_sample_value("cinelog_leader", {"leader": _LEADER.value}) == 0


async def test_a_body_that_ends_or_fails_costs_the_lead_and_nothing_else(
    database: Database,
) -> None:
    loops = Loops(CollectorRegistry())
    turns = 0
    often = asyncio.Event()

    async def body(_connection: object) -> None:
        nonlocal turns
        turns += 1
        if turns == 4:
            often.set()
        if turns == 1:
            raise ValueError("a fault of ours")
        if turns == 2:
            # What a library raises that has cancelled a task of its own.
            raise asyncio.CancelledError

    leading = asyncio.create_task(
        loops.lead(_LEADER, database.url("catalog"), body, retry_seconds=0)
    )
    await often.wait()
    await end([leading])


async def test_the_loss_cancels_the_body_and_not_its_caller(
    database: Database, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    leads = asyncio.Event()

    async def body(_connection: object) -> None:
        leads.set()
        await asyncio.Event().wait()

    async def caller() -> str:
        with pytest.raises(LeadershipLost):
            await lead_once(database.url("catalog"), "test", body)
        try:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        except TimeoutError:
            return "a time limit still works"
        return "no"

    calling = asyncio.create_task(caller())
    await leads.wait()
    await end_sessions(owner)
    assert await calling == "a time limit still works"


async def test_a_leader_gives_up_before_the_server_lets_others_lead() -> None:
    """Otherwise two would lead, for seconds."""
    checked = leadership._HEARTBEAT_SECONDS + leadership._CHECK_SECONDS
    assert checked < int(LEADER_SESSION["idle_session_timeout"].removesuffix("s"))


async def test_a_session_that_goes_silent_is_lost(database: Database) -> None:
    road = Road(database.url("catalog"))
    await road.open()
    leads = asyncio.Event()

    async def body(_connection: object) -> None:
        leads.set()
        await asyncio.Event().wait()

    told: list[bool] = []
    leading = asyncio.create_task(
        lead_once(road.url, "test", body, silent=lambda: told.append(True))
    )
    await leads.wait()
    road.mute()
    with pytest.raises(LeadershipLost):
        await leading
    assert told == [True]
    await road.close()


async def test_a_leader_that_was_cut_off_without_a_word_is_followed(database: Database) -> None:
    """The server does not learn that the connection ended, and the session keeps the lock."""
    port = urlsplit(database.admin_url).port
    assert port is not None
    with network({"postgres": port}) as roads:
        began = [asyncio.Event(), asyncio.Event()]

        async def body(_connection: object, number: int = 0) -> None:
            began[number].set()
            await asyncio.Event().wait()

        url = roads.over(database.url("catalog"))
        first = asyncio.create_task(lead_once(url, "test", body))
        await began[0].wait()
        assert roads.roads["postgres"].mute() == 1
        following = asyncio.create_task(
            lead_once(database.url("catalog"), "test", lambda lock: body(lock, 1))
        )
        # 8 s for the client and 10 s for the server, beside each other, and what the machine adds.
        async with asyncio.timeout(14):
            with pytest.raises(LeadershipLost):
                await first
            await began[1].wait()
        await end([following])


async def test_a_body_that_outlives_its_cancellation_ends_the_process(
    database: Database,
    owner: "asyncpg.Connection[asyncpg.Record]",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(end.__kwdefaults__ or {}, "seconds", 0.05)
    leads, release = asyncio.Event(), asyncio.Event()

    async def deaf(_connection: object) -> None:
        leads.set()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    leading = asyncio.create_task(
        Loops(CollectorRegistry()).lead(_LEADER, database.url("catalog"), deaf)
    )
    await leads.wait()
    await end_sessions(owner)
    with pytest.raises(TaskDidNotEnd):
        await leading
    release.set()
