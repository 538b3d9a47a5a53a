"""One ingest process with small quotas."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.ingest.harness import Ingest, config, running
from tests.integration.ingest.quotas.quota_stage import LIMITS
from tests.support.buckets import Buckets
from tests.support.databases import Database


@pytest.fixture
async def ingest(database: Database, s3: Buckets) -> AsyncIterator[Ingest]:
    async with running(config(database, s3, **LIMITS), s3) as started:
        yield started
