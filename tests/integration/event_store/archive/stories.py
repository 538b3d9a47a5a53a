"""Events for the log, and what verification says about its archive."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg

from deploy.local.parts import Urls
from shared.blobs.s3 import S3Store
from shared.event_store.archive.archive_verify import verify
from shared.event_store.postgres import open_event_store
from shared.event_store.sequencer import Sequencer
from shared.event_store.store import Metadata, NewEvent
from tests.support import threads
from tests.support.catalog_stories import Story
from tests.support.databases import Database, copy_of

Connection = asyncpg.Connection
EVENTS = 230
RANGE = 50


async def write(database: Database, relay: Connection, count: int, seed: int = 3) -> None:
    """Append a story's facts and give them positions."""
    versions: dict[str, int] = {}
    async with open_event_store(database.admin_url) as store:
        for stream, event in Story(seed).facts(count):
            version = versions.get(stream, 0)
            versions[stream] = await store.append(
                stream, version, [NewEvent(event)], Metadata(actor="é")
            )
    sequencer = Sequencer(relay)
    await sequencer.load()
    while await sequencer.stamp():
        pass


@contextmanager
def written_story(parts: Urls, template: str) -> Iterator[Database]:
    """A database with a log of ``EVENTS`` events."""
    with copy_of(parts.postgres, template) as own:
        threads.run(lambda: _write_story(own))
        yield own


async def _write_story(database: Database) -> None:
    relay = await asyncpg.connect(database.url("relay"))
    await write(database, relay, EVENTS)
    await relay.close()


async def problems(bucket: S3Store, **options: Any) -> str:
    verdict = await verify(bucket, **options)
    return "; ".join(f"{flaw.number}: {flaw.problem}" for flaw in verdict.flaws)
