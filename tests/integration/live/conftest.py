"""Live on a database of its own."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.live.harness import Live, running
from tests.support.databases import Database


@pytest.fixture
async def live(database: Database) -> AsyncIterator[Live]:
    async with running(database) as started:
        yield started
