"""A catalog on a real database, with its log stamped and projected beside it."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.integration.catalog.receivers import Post, Receiver
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


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    own = Receiver()
    server = await asyncio.start_server(own.answer, "127.0.0.1", 0)
    own.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?a=b"
    async with server:
        yield own


@pytest.fixture
async def post(stage: Stage) -> AsyncIterator[Post]:
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(trust_env=False, limits=limits) as client:
        post = Post(stage, client)
        yield post
        await post.delivery.stop()
