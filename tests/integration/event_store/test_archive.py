"""The log in a bucket: what is archived is whole, what was tampered with is found, and an empty
database becomes the old one again."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, cast

import asyncpg
import msgspec
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.parts import Urls
from services.catalog.read_model.projections import Library
from services.catalog.tables import READ_MODELS
from services.relay.archiver import ArchiveMetrics, Archiver
from shared.blobs.s3 import S3Store, s3_client
from shared.database.connect import create_engine
from shared.event_store.archive.archive import (
    ArchiveHead,
    ArchiveMismatch,
    ArchiveNotStored,
    archive,
    archived_position,
    find_head,
)
from shared.event_store.archive.archive_format import BadArchive, decode_manifest, manifest_key
from shared.event_store.archive.archive_verify import verify
from shared.event_store.archive.restore import DatabaseNotEmpty, LogsDiffer, restore
from shared.event_store.postgres import open_event_store
from shared.event_store.projections.projection import ProjectionRunner
from shared.event_store.sequencer import Sequencer
from shared.event_store.store import Metadata, NewEvent
from shared.http.metrics import create_registry
from shared.loops.cancellation import end
from shared.loops.leaders import Leader
from shared.loops.loops import Loops
from tests.support import threads
from tests.support.buckets import Buckets
from tests.support.catalog_stories import Story
from tests.support.databases import Database, copy_of
from tests.support.wait import eventually

Connection = asyncpg.Connection
EVENTS = 230
RANGE = 50


@pytest.fixture(scope="module")
def story(parts: Urls, database_template: str) -> Iterator[Database]:
    """A log of 230 events, written once and copied for each test that starts with it."""
    with copy_of(parts.postgres, database_template) as own:
        threads.run(lambda: write_story(own))
        yield own


@pytest.fixture
def database(
    parts: Urls, database_template: str, request: pytest.FixtureRequest
) -> Iterator[Database]:
    """With the story in its log, if the test or one of its fixtures asks for ``written``."""
    template = database_template
    if "written" in request.fixturenames:
        template = request.getfixturevalue("story").name
    with copy_of(parts.postgres, template) as own:
        yield own


@pytest.fixture
def written() -> int:
    """The number of events that ``database`` starts with."""
    return EVENTS


@pytest.fixture
async def bucket(s3: Buckets) -> AsyncIterator[S3Store]:
    async with s3_client(s3.endpoint, s3.region, s3.access_key, s3.secret_key) as client:
        yield S3Store(client, s3.sources)


@pytest.fixture
async def relay(database: Database) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database.url("relay"))
    yield connection
    await connection.close()


@pytest.fixture
async def empty(parts: Urls, database_template: str) -> AsyncIterator[Database]:
    """A second database, migrated and empty."""
    with copy_of(parts.postgres, database_template) as own:
        yield own


@pytest.fixture
async def owner(empty: Database) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(empty.admin_url)
    yield connection
    await connection.close()


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


async def write_story(database: Database) -> None:
    relay = await asyncpg.connect(database.url("relay"))
    await write(database, relay, EVENTS)
    await relay.close()


@pytest.fixture
async def archived(written: int, relay: Connection, bucket: S3Store) -> ArchiveHead:
    """Five ranges of a log of 230 events."""
    return await archive(relay, bucket, range_events=RANGE)


async def problems(bucket: S3Store, **options: Any) -> str:
    verdict = await verify(bucket, **options)
    return "; ".join(f"{flaw.number}: {flaw.problem}" for flaw in verdict.flaws)


async def test_an_archive_holds_every_event_and_verifies(
    relay: Connection, bucket: S3Store, archived: ArchiveHead
) -> None:
    seen: list[tuple[int, int]] = []
    verdict = await verify(bucket, progress=lambda at, of: seen.append((at, of)))

    assert verdict.flaws == ()
    assert (verdict.ranges, verdict.events, verdict.head) == (5, EVENTS, archived)
    assert seen[-1] == (EVENTS, EVENTS)
    assert await archived_position(relay) == EVENTS
    assert await find_head(bucket) == archived


async def test_without_closing_only_whole_ranges_are_archived(
    database: Database, relay: Connection, bucket: S3Store
) -> None:
    await write(database, relay, 120)
    head = await archive(relay, bucket, range_events=RANGE, close=False)
    assert (head.number, head.last) == (2, 100)
    head = await archive(relay, bucket, range_events=RANGE)
    assert (head.number, head.last) == (3, 120)
    assert await archive(relay, bucket, range_events=RANGE) == head


async def test_archivers_at_once_write_one_chain(
    database: Database, written: int, relay: Connection, bucket: S3Store
) -> None:
    others = [await asyncpg.connect(database.url("relay")) for _ in range(3)]
    heads = await asyncio.gather(
        *(archive(each, bucket, range_events=20) for each in (relay, *others))
    )
    for other in others:
        await other.close()

    assert {head.last for head in heads} == {written}
    assert (await verify(bucket)).flaws == ()


async def test_what_was_written_before_a_crash_is_kept(
    relay: Connection, bucket: S3Store, archived: ArchiveHead
) -> None:
    # As if the process had died between the manifest and its commit.
    await relay.execute("update log.relay set value = 200 where name = 'archived'")
    assert await archive(relay, bucket, range_events=RANGE) == archived
    assert await archived_position(relay) == EVENTS


async def keys(bucket: S3Store, kind: str) -> list[str]:
    return [entry.key async for entry in bucket.list("log/" + kind)]


async def test_a_flipped_byte_is_found(bucket: S3Store, archived: ArchiveHead) -> None:
    key = (await keys(bucket, "events/"))[2]
    data = bytearray(await bucket.read(key))
    data[len(data) // 2] ^= 1
    await bucket.put(key, bytes(data), "application/zstd")
    assert await problems(bucket) == f"3: {key} is not the object that was archived"


async def test_a_changed_manifest_breaks_the_chain_even_if_it_fits_its_object(
    bucket: S3Store, archived: ArchiveHead
) -> None:
    key = manifest_key("log/", 2)
    manifest = decode_manifest(await bucket.read(key))
    forged = msgspec.structs.replace(manifest, created_at=archived_at(manifest))
    await bucket.put(key, msgspec.json.encode(forged), "application/json")
    assert await problems(bucket) == "3: manifest 3 does not follow the manifest before it"


def archived_at(manifest: Any) -> Any:
    return manifest.created_at.replace(year=2020)


async def test_a_forged_end_is_found_by_the_hash_that_was_noted(
    bucket: S3Store, archived: ArchiveHead
) -> None:
    key = manifest_key("log/", 5)
    manifest = decode_manifest(await bucket.read(key))
    forged = msgspec.structs.replace(manifest, created_at=archived_at(manifest))
    await bucket.put(key, msgspec.json.encode(forged), "application/json")
    assert await problems(bucket) == ""
    assert "is gone" in await problems(bucket, expected=archived)


@pytest.mark.parametrize("what", ["events/", "manifests/"])
async def test_a_missing_range_is_found(
    bucket: S3Store, archived: ArchiveHead, owner: Connection, what: str
) -> None:
    await bucket.delete((await keys(bucket, what))[1])
    assert "missing" in await problems(bucket)
    with pytest.raises(BadArchive, match="missing"):
        await restore(owner, bucket)
    assert await owner.fetchval("select count(*) from log.events") == 0


async def test_a_lost_end_is_found_by_what_the_database_knows(
    relay: Connection, bucket: S3Store, archived: ArchiveHead
) -> None:
    await bucket.delete(manifest_key("log/", 5))
    assert await problems(bucket) == ""
    assert "ends at 200, but 230 was archived" in await problems(
        bucket, at_least=await archived_position(relay)
    )


async def break_end(bucket: S3Store, damage: str) -> None:
    """Damage the end of an archive of five ranges, as a loss of power does."""
    manifest = decode_manifest(await bucket.read(manifest_key("log/", 5)))
    match damage:
        case "manifest lost":
            await bucket.delete(manifest_key("log/", 5))
        case "manifest empty":
            await bucket.put(manifest_key("log/", 5), b"", "application/json")
        case "manifest cut":
            await bucket.put(manifest_key("log/", 5), b'{"format": 1, "num', "application/json")
        case "events lost":
            await bucket.delete(manifest.object)
        case "events empty":
            await bucket.put(manifest.object, b"", "application/zstd")
        case "two ranges":
            await bucket.put(manifest_key("log/", 4), b"\0" * 80, "application/json")
            await bucket.put(manifest.object, b"\0" * 80, "application/zstd")


@pytest.mark.parametrize(
    "damage",
    [
        "manifest lost",
        "manifest empty",
        "manifest cut",
        "events lost",
        "events empty",
        "two ranges",
    ],
)
async def test_an_end_that_cannot_be_read_is_written_again(
    database: Database, relay: Connection, bucket: S3Store, archived: ArchiveHead, damage: str
) -> None:
    await break_end(bucket, damage)
    await write(database, relay, 7, seed=12)
    repaired: list[int] = []
    head = await archive(relay, bucket, range_events=RANGE, repaired=repaired.append)
    assert head.last == EVENTS + 7
    assert repaired == [2 if damage == "two ranges" else 1]
    verdict = await verify(bucket, at_least=await archived_position(relay))
    assert verdict.flaws == ()
    assert verdict.events == EVENTS + 7


async def test_an_archive_that_is_not_kept_is_not_referred_to(
    relay: Connection, bucket: S3Store, archived: ArchiveHead, database: Database
) -> None:
    class Forgetful:
        """Keeps events, but half of each manifest."""

        def __getattr__(self, name: str) -> Any:
            return getattr(bucket, name)

        async def put(self, key: str, data: bytes, content_type: str) -> str:
            kept = data[: len(data) // 2] if key.endswith(".json") else data
            return await bucket.put(key, kept, content_type)

    await write(database, relay, 7, seed=12)
    with pytest.raises(ArchiveNotStored):
        await archive(relay, cast("Any", Forgetful()), range_events=RANGE)
    assert await archived_position(relay) == EVENTS
    assert (await archive(relay, bucket, range_events=RANGE)).last == EVENTS + 7
    assert (await verify(bucket)).flaws == ()


async def test_manifests_that_changed_places_are_found(
    bucket: S3Store, archived: ArchiveHead, owner: Connection
) -> None:
    second, third = manifest_key("log/", 2), manifest_key("log/", 3)
    kept = await bucket.read(second)
    await bucket.put(second, await bucket.read(third), "application/json")
    await bucket.put(third, kept, "application/json")
    assert "manifest 2 says that it is number 3" in await problems(bucket)
    with pytest.raises(BadArchive):
        await restore(owner, bucket)


async def test_an_event_that_this_build_cannot_read_is_named(
    database: Database, relay: Connection, bucket: S3Store
) -> None:
    admin = await asyncpg.connect(database.admin_url)
    await admin.execute(
        "insert into log.events"
        " (stream_id, version, event_id, type, schema_version, data, metadata)"
        " values ('video-x', 1, gen_random_uuid(), 'FromTheFuture', 1, '{}', '{}')"
    )
    await admin.close()
    await write(database, relay, 3)
    await archive(relay, bucket)
    assert "video-x version 1: UnknownEventType" in await problems(bucket)


async def test_another_logs_archive_is_refused(
    empty: Database, bucket: S3Store, archived: ArchiveHead
) -> None:
    other = await asyncpg.connect(empty.url("relay"))
    await write(empty, other, EVENTS + 50)
    with pytest.raises(ArchiveMismatch):
        await archive(other, bucket)
    await other.close()


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


async def test_a_dump_that_lived_on_is_not_joined_with_the_archive(
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
    await write(database, relay, 30, seed=5)
    await archive(relay, bucket, range_events=RANGE)
    own = await asyncpg.connect(empty.url("relay"))
    await write(empty, own, 60, seed=91)
    await own.close()
    before = await log_of(owner)
    with pytest.raises(LogsDiffer):
        await restore(owner, bucket)
    assert await log_of(owner) == before


async def test_an_empty_bucket_restores_nothing(bucket: S3Store, owner: Connection) -> None:
    with pytest.raises(BadArchive):
        await restore(owner, bucket)


async def test_the_archiver_follows_the_log_and_another_takes_over(
    database: Database, relay: Connection, bucket: S3Store
) -> None:
    url = database.url("relay")

    def start() -> tuple[CollectorRegistry, asyncio.Task[None]]:
        registry = create_registry()
        loops = Loops(registry)
        archiver = Archiver(
            url, bucket, loops, ArchiveMetrics(registry), range_events=RANGE, seconds=0.05
        )
        return registry, asyncio.create_task(loops.lead(Leader.ARCHIVER, url, archiver.run))

    def position(registry: CollectorRegistry) -> float | None:
        return registry.get_sample_value("cinelog_archive_position")

    first, leading = start()
    leads = {"leader": "archiver"}
    await eventually(lambda: first.get_sample_value("cinelog_leader", leads) == 1)
    second, standing_by = start()
    await write(database, relay, 30)
    await eventually(lambda: position(first) == 30)
    await end([leading])
    await write(database, relay, 30, seed=8)
    await eventually(lambda: position(second) == 60)
    await end([standing_by])
    assert (await verify(bucket)).flaws == ()
