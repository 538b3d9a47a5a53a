"""An empty database becomes the old one, and a dump gets what the archive has beyond it."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.catalog.read_model.projections import Library
from services.catalog.tables import READ_MODELS
from shared.blobs.s3 import S3Store
from shared.database.connect import create_engine
from shared.event_store.archive.archive import (
    ArchiveHead,
    archive,
)
from shared.event_store.archive.archive_format import BadArchive
from shared.event_store.archive.archive_verify import verify
from shared.event_store.archive.restore import DatabaseNotEmpty, LogsDiffer, restore
from shared.event_store.postgres import open_event_store
from shared.event_store.projections.projection import ProjectionRunner
from shared.event_store.store import Metadata, NewEvent
from tests.integration.event_store.archive.stories import EVENTS, RANGE, Connection, write
from tests.support.catalog_stories import Story
from tests.support.databases import Database
from tests.support.wait import eventually


async def rows(connection: Connection, tables: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in tables:
        records = await connection.fetch(f"select t::text from {name} t order by 1")
        found[name] = [record[0] for record in records]
    return found


async def project(database: Database) -> None:
    engine: AsyncEngine = create_engine(database.url("catalog"), size=2)
    async with open_event_store(database.url("catalog")) as store:
        runner = ProjectionRunner(engine, store, Library(), "catalog", poll_seconds=0.02)
        task = asyncio.create_task(runner.run())
        head = await store.head()
        await eventually(lambda: runner.position == head)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await engine.dispose()


LOG = (
    "(select p.position, e.stream_id, e.version, e.event_id, e.type, e.schema_version, e.data,"
    " e.metadata, e.recorded_at from log.events e join log.positions p using (seq))"
)


async def test_an_empty_database_becomes_the_old_one(
    database: Database,
    empty: Database,
    owner: Connection,
    relay: Connection,
    bucket: S3Store,
    archived: ArchiveHead,
) -> None:
    await project(database)
    admin = await asyncpg.connect(database.admin_url)
    before = await rows(admin, [LOG, *(table.fullname for table in READ_MODELS)])
    await admin.close()
    seen: list[int] = []

    restored = await restore(
        owner, bucket, expected=archived, progress=lambda at, _of: seen.append(at)
    )

    assert (restored.ranges, restored.events) == (5, EVENTS)
    assert seen == [50, 100, 150, 200, 230]
    await project(empty)
    assert await rows(owner, list(before)) == before
    assert len(before["catalog.videos"]) > 5

    # Life goes on: the next event gets the next place, and the archive its next range.
    again = await asyncpg.connect(empty.url("relay"))
    await write(empty, again, 7, seed=99)
    head = await archive(again, bucket, range_events=RANGE)
    await again.close()
    assert (head.number, head.last) == (6, EVENTS + 7)
    assert (await verify(bucket)).flaws == ()


async def test_read_models_without_a_log_are_not_restored_over(
    bucket: S3Store, archived: ArchiveHead, owner: Connection
) -> None:
    await owner.execute("insert into catalog.checkpoints values ('library', 3)")
    with pytest.raises(DatabaseNotEmpty, match="catalog"):
        await restore(owner, bucket)


async def log_of(connection: Connection) -> list[tuple[Any, ...]]:
    found = await connection.fetch(
        "select p.position, e.stream_id, e.version, e.event_id, e.type, e.recorded_at,"
        " e.data::text from log.positions p join log.events e using (seq) order by 1"
    )
    return [tuple(row) for row in found]


async def load_dump(source: Connection, target: Connection) -> None:
    """Copy the log of one database into another one, as a dump and its restore do."""
    for table in ("events", "positions", "relay"):
        rows = await source.fetch(f"select * from log.{table}")
        if not rows:
            continue
        await target.execute(f"delete from log.{table}" if table == "relay" else "select 1")
        await target.copy_records_to_table(
            table, schema_name="log", columns=list(rows[0].keys()), records=rows
        )
    await target.execute(
        "select setval(pg_get_serial_sequence('log.events', 'seq'),"
        " (select max(seq) from log.events))"
    )


async def append_only(database: Database, count: int, seed: int) -> None:
    """Append facts that get no position yet."""
    versions: dict[str, int] = {}
    async with open_event_store(database.admin_url) as store:
        for stream, event in Story(seed).facts(count):
            versions[stream] = await store.append(
                stream, versions.get(stream, 0), [NewEvent(event)], Metadata()
            )


async def test_a_dump_is_completed_from_the_archive_and_archiving_goes_on(
    database: Database,
    relay: Connection,
    bucket: S3Store,
    archived: ArchiveHead,
    empty: Database,
    owner: Connection,
) -> None:
    await append_only(database, 3, seed=77)
    source = await asyncpg.connect(database.admin_url)
    await load_dump(source, owner)
    await write(database, relay, 30, seed=5)
    await archive(relay, bucket, range_events=RANGE)
    whole = await log_of(source)
    await source.close()

    report = await restore(owner, bucket)

    assert (report.kept, report.events) == (EVENTS, 33)
    assert await log_of(owner) == whole
    again = await restore(owner, bucket)
    assert (again.kept, again.events) == (EVENTS + 33, 0)
    # The restored log lives on: the next events get places, and the archive its next range.
    own = await asyncpg.connect(empty.url("relay"))
    await write(empty, own, 5, seed=91)
    head = await archive(own, bucket, range_events=RANGE)
    await own.close()
    assert head.last == EVENTS + 33 + 5
    assert (await verify(bucket)).flaws == ()


@pytest.mark.parametrize(
    ("archived_more", "own"),
    [(30, 60), (30, 3), (RANGE * 2, RANGE), (RANGE * 2, 1)],
    ids=["beyond the archive", "within a range", "to a range's end", "by one event"],
)
async def test_a_dump_that_lived_on_is_not_joined_with_the_archive(
    archived_more: int,
    own: int,
    database: Database,
    relay: Connection,
    bucket: S3Store,
    archived: ArchiveHead,
    empty: Database,
    owner: Connection,
) -> None:
    source = await asyncpg.connect(database.admin_url)
    await load_dump(source, owner)
    await source.close()
    await write(database, relay, archived_more, seed=5)
    await archive(relay, bucket, range_events=RANGE)
    sequencer = await asyncpg.connect(empty.url("relay"))
    await write(empty, sequencer, own, seed=91)
    await sequencer.close()
    before = await log_of(owner)
    with pytest.raises(LogsDiffer, match=f"at {EVENTS + 1}"):
        await restore(owner, bucket)
    assert await log_of(owner) == before


async def test_an_empty_bucket_restores_nothing(bucket: S3Store, owner: Connection) -> None:
    with pytest.raises(BadArchive):
        await restore(owner, bucket)
