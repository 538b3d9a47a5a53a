"""A catalog on a real database, with its log stamped and projected beside it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.integration.catalog.stage import Stage, open_stage
from tests.support.databases import Database


@pytest.fixture
async def stage(database: Database) -> AsyncIterator[Stage]:
    """The HTTP application, the log, a sequencer and a projector.

    They live in one task from beginning to end, as the application's lifespan must; pytest-asyncio
    sets up and tears down in two.
    """
    opened: asyncio.Future[Stage] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def hold() -> None:
        try:
            async with open_stage(database) as stage:
                opened.set_result(stage)
                await done.wait()
        except Exception as error:
            if opened.done():
                raise
            opened.set_exception(error)

    holding = asyncio.create_task(hold())
    yield await opened
    done.set()
    await holding
