"""A relay, and what planner and workers need, for each test."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.scheduler import Scheduler
from shared.database.connect import create_engine
from shared.event_store.postgres import open_event_store
from tests.integration.transcoder.stage import Processes, Studio
from tests.support.brokers import Broker
from tests.support.buckets import Buckets
from tests.support.databases import Database


@pytest.fixture
def processes(
    database: Database, broker: Broker, s3: Buckets, tmp_path: Path
) -> Iterator[Processes]:
    env = {
        "CINELOG_MODE": "local",
        "DATABASE_URL": database.url("transcoder"),
        "AMQP_URL": broker.amqp_url,
        "S3_ENDPOINT": s3.endpoint,
        "S3_REGION": s3.region,
        "S3_ACCESS_KEY": s3.access_key,
        "S3_SECRET_KEY": s3.secret_key,
        "S3_SOURCES_BUCKET": s3.sources,
        "S3_MEDIA_BUCKET": s3.media,
        "JWKS_URL": "http://127.0.0.1:9/unused",
        "JWT_ISSUER": "cinelog",
        "JWT_AUDIENCE": "cinelog",
        "SCRATCH_DIR": str(tmp_path / "scratch"),
        "X264_PRESET": "superfast",
        "DRAIN_SECONDS": "0",
        "DELETION_DELAY_HOURS": "0",
        "DELETED_VIDEO_HOURS": "0",
    }
    with ExitStack() as stack:
        started = Processes(env, tmp_path)
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
