"""Auth as a whole, on real parts."""

from collections.abc import AsyncIterator

import pytest

from services.auth.settings import AuthSettings
from tests.support.auth_stage import Stage, settings, stage
from tests.support.databases import Database


@pytest.fixture
def config(database: Database, redis_url: str) -> AuthSettings:
    return settings(database, redis_url)


@pytest.fixture
async def auth(config: AuthSettings, database: Database) -> AsyncIterator[Stage]:
    async with stage(config, database.admin_url) as running:
        yield running
