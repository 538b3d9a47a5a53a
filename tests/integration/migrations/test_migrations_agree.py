"""Models and migrations say the same: a table that was changed without a migration fails here."""

import pytest

from deploy.local.database import modules
from shared.database.connect import create_engine
from shared.database.migrations import Migrations
from tests.support.databases import Database


@pytest.mark.parametrize("module", modules())
async def test_models_and_migrations_agree(database: Database, module: str) -> None:
    engine = create_engine(database.admin_url, size=1)
    try:
        async with engine.connect() as connection:
            assert await connection.run_sync(Migrations(module).differences) == []
    finally:
        await engine.dispose()
