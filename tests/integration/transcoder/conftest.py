"""A relay, and what planner and workers need, for each test."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database.connect import create_engine
from shared.event_store.postgres import open_event_store
from tests.integration.transcoder.stage import Processes, Studio, environment
from tests.integration.transcoder.task_table import Scheduler
from tests.support.brokers import Broker
from tests.support.buckets import Buckets
from tests.support.databases import Database


@pytest.fixture
def processes(
    database: Database, broker: Broker, s3: Buckets, tmp_path: Path
) -> Iterator[Processes]:
    with ExitStack() as stack:
        started = Processes(environment(database, broker, s3, tmp_path), tmp_path)
        stack.callback(started.stop)
        started.relay(database.url("relay"))
        yield started


@pytest.fixture
async def studio(database: Database, s3: Buckets) -> AsyncIterator[Studio]:
    async with (
        open_event_store(database.url("transcoder")) as store,
        open_event_store(database.admin_url) as others,
    ):
        yield Studio(store, s3, others)


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[AsyncEngine]:
    made = create_engine(database.url("transcoder"), size=4)
    yield made
    await made.dispose()


@pytest.fixture
def scheduler(engine: AsyncEngine) -> Scheduler:
    return Scheduler(engine)
