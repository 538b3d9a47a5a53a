"""Connections of writers and of the relay."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.integration.event_store.log_writers import Connection
from tests.support.databases import Database


@pytest.fixture
async def writers(database: Database) -> AsyncIterator[tuple[Connection, Connection]]:
    first = await asyncpg.connect(database.admin_url)
    second = await asyncpg.connect(database.admin_url)
    yield first, second
    await first.close()
    await second.close()


@pytest.fixture
async def leader(database: Database) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database.url("relay"))
    yield connection
    await connection.close()
