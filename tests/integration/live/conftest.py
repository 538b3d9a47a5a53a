"""Live on a database of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.debian import srt_library, srt_root
from services.live.srt.library import Library
from tests.integration.live.chat_stage import Opened, opening
from tests.integration.live.harness import Live, running
from tests.integration.live.stage import Flush, Stage
from tests.support.databases import Database
from tests.support.real_parts import packages


@pytest.fixture(scope="module")
def library() -> Library:
    path = srt_library(srt_root(packages()))
    assert path is not None, "make fetch-dev unpacks libsrt"
    return Library(str(path))


@pytest.fixture
async def live(database: Database) -> AsyncIterator[Live]:
    async with running(database) as started:
        yield started


@pytest.fixture
async def opened(live: Live, redis_url: str) -> AsyncIterator[Opened]:
    """Starts chats of running lives."""
    async with opening(live, redis_url) as start:
        yield start


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Replicas that share sessions and a bucket in memory."""
    made = Stage(tmp_path)
    yield made
    for replica in made.replicas:
        await replica.close()


@pytest.fixture
def flush(monkeypatch: pytest.MonkeyPatch) -> Flush:
    return Flush(monkeypatch)
