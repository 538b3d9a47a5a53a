"""The catalog's processes with a relay and RabbitMQ; tests kill them at critical moments."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from deploy.local import ports
from shared.contracts import (
    Category,
    Event,
    UserDeleted,
    UserRegistered,
    ViewsCounted,
    new_id,
    stream_id,
)
from shared.event_store.postgres import PostgresEventStore, open_event_store
from shared.event_store.store import Metadata, NewEvent
from tests.integration.catalog.stage import GRANT_SECRET
from tests.support.brokers import Broker
from tests.support.catalog_events import uploaded
from tests.support.databases import Database
from tests.support.entry_points import refused
from tests.support.forked import Forked, start_service
from tests.support.wait import eventually

_NOWHERE = "postgresql://nobody:nothing@127.0.0.1:9/none"
ROOT = Path(__file__).resolve().parents[3]


class Processes:
    """Starts the real processes by their commands."""

    def __init__(self, database: Database, broker: Broker, folder: Path) -> None:
        self._database = database
        self._folder = folder
        self._env = {
            **{"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "CINELOG_MODE": "local"},
            "AMQP_URL": broker.amqp_url,
            **{"JWKS_URL": "http://127.0.0.1:9/", "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"},
            **{"AUTH_URL": "http://127.0.0.1:9", "MEDIA_GRANT_SECRET": GRANT_SECRET},
            **{"S3_ENDPOINT": "http://127.0.0.1:9", "S3_MEDIA_BUCKET": "media"},
            **{"S3_ACCESS_KEY": "k", "S3_SECRET_KEY": "s"},
        }
        self.started: list[Forked] = []
        self.addresses: list[str] = []

    def start(self, role: str, module: str, *arguments: str, **env: str) -> Forked:
        address = f"127.0.0.1:{ports.choose(['it'], {})['it']}"
        with (self._folder / f"{len(self.started)}.log").open("wb") as log:
            process = start_service(
                module,
                *arguments,
                folder=self._folder,
                env={
                    **self._env,
                    **{"BIND": address, "METRICS_BIND": address},
                    "DATABASE_URL": self._database.url(role),
                    **env,
                },
                output=log,
            )
        self.started.append(process)
        self.addresses.append(address)
        return process

    def projector(self) -> Forked:
        return self.start("catalog", "services.catalog.main", "projector")

    def stop(self) -> None:
        for process in self.started:
            process.kill()
        for process in self.started:
            process.wait(20)


@pytest.fixture
def processes(database: Database, broker: Broker, tmp_path: Path) -> Iterator[Processes]:
    own = Processes(database, broker, tmp_path)
    yield own
    own.stop()


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresEventStore]:
    async with open_event_store(database.admin_url) as opened:
        yield opened


class World:
    """Reads the read models and the leader."""

    def __init__(self, database: Database, processes: Processes) -> None:
        self._database = database
        self._processes = processes

    async def value(self, statement: str) -> Any:
        connection = await asyncpg.connect(self._database.admin_url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    async def settled(self) -> bool:
        return await self.value(
            "select (select count(*) from log.events) ="
            " coalesce((select position from catalog.checkpoints), 0)"
        )

    async def leader(self) -> Forked | None:
        """The projector that reports that it leads."""
        async with httpx.AsyncClient(trust_env=False) as client:
            for process, address in zip(
                self._processes.started, self._processes.addresses, strict=True
            ):
                try:
                    metrics = (await client.get(f"http://{address}/metrics")).text
                except httpx.HTTPError:
                    continue
                if 'cinelog_leader{leader="projector"} 1.0' in metrics:
                    return process
        return None


async def add(
    store: PostgresEventStore, category: Category, id_: str, event: Event, after: int = 0
) -> None:
    await store.append(stream_id(category, id_), after, [NewEvent(event)], Metadata())


async def add_videos(store: PostgresEventStore, count: int) -> None:
    for _ in range(count):
        video, user = new_id(), new_id()
        await store.append(
            stream_id("upload", video), 0, [NewEvent(uploaded(video, user))], Metadata()
        )
        await store.append(
            stream_id("video", video),
            0,
            [NewEvent(ViewsCounted(video_id=video, count=3, batch_id=new_id()))],
            Metadata(),
        )


async def test_a_killed_projector_is_replaced_and_nothing_is_lost_or_doubled(
    database: Database, broker: Broker, processes: Processes, store: PostgresEventStore
) -> None:
    world = World(database, processes)
    processes.start("relay", "services.relay.main")
    processes.projector()
    processes.projector()
    first = await eventually(world.leader, 60)
    await add_videos(store, 20)
    await eventually(world.settled, 30)

    writing = asyncio.create_task(add_videos(store, 150))
    await eventually(lambda: world.value("select count(*) > 40 from catalog.videos"), 30)
    first.send_signal(signal.SIGKILL)
    await writing
    second = await eventually(world.leader, 30)
    assert second is not first
    await eventually(world.settled, 30)

    # Without a broker the log alone is enough; then the broker is back.
    broker.disconnect_all()
    await add_videos(store, 10)
    await eventually(world.settled, 30)

    assert await world.value("select count(*) from catalog.videos") == 180
    assert await world.value("select sum(views) from catalog.videos") == 540
    assert await world.value("select count(*) from catalog.parked_events") == 0

    second.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(second.wait, 20) == 0


async def test_a_leading_projector_does_its_background_tasks(
    database: Database, processes: Processes, store: PostgresEventStore
) -> None:
    world = World(database, processes)
    user, video, late = new_id(), new_id(), new_id()
    await add(store, "user", user, UserRegistered(user_id=user, username="ada"))
    await add(store, "upload", video, uploaded(video, user))
    processes.start("relay", "services.relay.main")
    processes.projector()
    await eventually(world.settled, 60)

    await world.value(
        "insert into catalog.pending_views (video_id, count, since)"
        f" values ('{video}', 5, now() - interval '1 minute') returning 1"
    )
    counted = f"select views from catalog.videos where id = '{video}'"

    async def five() -> bool:
        return await world.value(counted) == 5

    await eventually(five, 30)
    await add(store, "user", user, UserDeleted(user_id=user), after=1)
    await add(store, "upload", late, uploaded(late, user))

    async def gone() -> bool:
        return await world.value("select count(*) from catalog.videos") == 0

    await eventually(gone, 30)
    deleted = "select count(*) from log.events where type = 'VideoDeleted'"
    assert await world.value(deleted) == 2


async def test_without_a_database_the_answer_is_503(processes: Processes) -> None:
    processes.start("catalog", "services.catalog.main", "api", DATABASE_URL=_NOWHERE)
    async with httpx.AsyncClient(
        base_url=f"http://{processes.addresses[0]}", trust_env=False
    ) as client:

        async def alive() -> bool:
            try:
                return (await client.get("/health")).status_code == 200
            except httpx.HTTPError:
                return False

        await eventually(alive, 60)
        assert (await client.get("/ready")).status_code == 503
        for path in ("streaming/latest", "streaming/search?q=x", f"streaming/id/{new_id()}"):
            answer = await client.get(f"/api/v1/{path}")
            assert answer.status_code == 503, path
            assert answer.json()["error"]["code"] == 503
            assert "127.0.0.1" not in answer.text


async def test_the_api_process_answers_and_drains(database: Database, processes: Processes) -> None:
    api = processes.start("catalog", "services.catalog.main", "api")
    address = processes.addresses[0]
    async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as client:

        async def ready() -> bool:
            try:
                return (await client.get("/ready")).status_code == 200
            except httpx.HTTPError:
                return False

        await eventually(ready, 60)
        page = await client.get("/api/v1/streaming/latest")
        assert page.json()["data"] == {
            **{"data": [], "page": 1, "page_size": 10, "total": 0, "cursor": None}
        }
        assert (await client.get("/api/v1/nowhere")).json()["error"]["code"] == 404
        assert (await client.delete("/api/v1/streaming/latest")).json()["success"] is False
        assert "http_requests_total" in (await client.get("/metrics")).text

    api.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(api.wait, 60) == 0


def test_a_missing_setting_stops_the_start_with_one_line() -> None:
    for arguments, line in (
        (["api"], "cinelog: DATABASE_URL is not set\n"),
        (["projector"], "cinelog: DATABASE_URL is not set\n"),
        (["rebuild"], "cinelog: DATABASE_ADMIN_URL is not set\n"),
        (["redrive"], "cinelog: DATABASE_ADMIN_URL is not set\n"),
        ([], "cinelog: say what to run: api, projector, redrive, rebuild, rebuild --verify\n"),
    ):
        assert refused("services.catalog.main", *arguments, env={}) == (2, line)
