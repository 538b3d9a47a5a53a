"""The log in a bucket: what is archived is whole, and what was tampered with is found."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import asyncpg
import msgspec
import pytest
from prometheus_client import CollectorRegistry

from services.relay.archiver import ArchiveMetrics, Archiver
from shared.blobs.s3 import S3Store
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
from shared.event_store.archive.restore import restore
from shared.http.metrics import create_registry
from shared.loops.cancellation import end
from shared.loops.leaders import Leader
from shared.loops.loops import Loops
from tests.integration.event_store.archive.stories import EVENTS, RANGE, Connection, problems, write
from tests.support.databases import Database
from tests.support.wait import eventually


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


async def test_only_what_follows_the_known_end_is_listed(
    database: Database, relay: Connection, bucket: S3Store, archived: ArchiveHead
) -> None:
    listed: list[str] = []

    class Watched:
        """Notes the listed keys."""

        def __getattr__(self, name: str) -> Any:
            return getattr(bucket, name)

        async def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[Any]:
            async for entry in bucket.list(prefix, after=after):
                listed.append(entry.key)
                yield entry

    watched = cast("Any", Watched())
    await write(database, relay, 7, seed=12)
    head = await archive(relay, watched, range_events=RANGE, trusted=archived)
    assert listed == [manifest_key("log/", 5)]
    # Without its end, the archive is looked through from its beginning.
    await bucket.put(manifest_key("log/", head.number), b"", "application/json")
    assert (await archive(relay, watched, range_events=RANGE, trusted=head)).last == EVENTS + 7
    assert (await verify(bucket)).flaws == ()


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
