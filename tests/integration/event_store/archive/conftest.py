"""A log of 230 events, its archive of five ranges, and an empty database beside it."""

from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from deploy.local.parts import Urls
from shared.blobs.s3 import S3Store, s3_client
from shared.event_store.archive.archive import ArchiveHead, archive
from tests.integration.event_store.archive.stories import EVENTS, RANGE, Connection, written_story
from tests.support.buckets import Buckets
from tests.support.databases import Database, copy_of


@pytest.fixture(scope="module")
def story(parts: Urls, database_template: str) -> Iterator[Database]:
    """A log of 230 events, written once and copied for each test that starts with it."""
    with written_story(parts, database_template) as own:
        yield own


@pytest.fixture
def database(
    parts: Urls, database_template: str, request: pytest.FixtureRequest
) -> Iterator[Database]:
    """With the story in its log, if the test or one of its fixtures asks for ``written``."""
    template = database_template
    if "written" in request.fixturenames:
        template = request.getfixturevalue("story").name
    with copy_of(parts.postgres, template) as own:
        yield own


@pytest.fixture
def written() -> int:
    """The number of events that ``database`` starts with."""
    return EVENTS


@pytest.fixture
async def bucket(s3: Buckets) -> AsyncIterator[S3Store]:
    async with s3_client(s3.endpoint, s3.region, s3.access_key, s3.secret_key) as client:
        yield S3Store(client, s3.sources)


@pytest.fixture
async def relay(database: Database) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database.url("relay"))
    yield connection
    await connection.close()


@pytest.fixture
async def empty(parts: Urls, database_template: str) -> AsyncIterator[Database]:
    """A second database, migrated and empty."""
    with copy_of(parts.postgres, database_template) as own:
        yield own


@pytest.fixture
async def owner(empty: Database) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(empty.admin_url)
    yield connection
    await connection.close()


@pytest.fixture
async def archived(written: int, relay: Connection, bucket: S3Store) -> ArchiveHead:
    """Five ranges of a log of 230 events."""
    return await archive(relay, bucket, range_events=RANGE)
