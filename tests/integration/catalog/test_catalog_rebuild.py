"""Rebuilding the read models beside live traffic."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.catalog.read_model.rebuild import (
    Rebuild,
    RebuildRunning,
    UnreadableEvent,
    drop_retired,
)
from services.catalog.tables import READ_MODELS
from shared.contracts import DetailsChanged, stream_id
from shared.database.connect import create_engine
from shared.database.migrations import Migrations
from shared.event_store.store import Metadata, NewEvent
from tests.integration.catalog.stage import Stage
from tests.support.catalog_stories import Story
from tests.support.wait import eventually


@pytest.fixture
async def owner(stage: Stage) -> AsyncIterator[AsyncEngine]:
    """An engine that logs in as the owner of the tables."""
    engine = create_engine(stage.database.admin_url, size=4)
    yield engine
    await engine.dispose()


async def write(stage: Stage, seed: int, count: int) -> None:
    versions: dict[str, int] = {}
    for stream, event in Story(seed).facts(count):
        version = versions.get(stream, 0)
        versions[stream] = await stage.store.append(stream, version, [NewEvent(event)], Metadata())


async def contents(stage: Stage) -> dict[str, list[object]]:
    return {
        table.name: await stage.query(f"select t::text from {table.fullname} t order by 1")
        for table in READ_MODELS
    }


async def test_old_tables_are_dropped_one_by_one_under_readers(owner: AsyncEngine) -> None:
    """A reader that has locked one of them may still want any other."""
    names = [table.name for table in READ_MODELS]
    async with owner.begin() as connection:
        await connection.execute(text("create schema catalog_retired"))
        for name in names:
            await connection.execute(text(f"create table catalog_retired.{name} (id int)"))
    async with owner.connect() as reader, owner.connect() as looker:
        await reader.execute(text(f"select 1 from catalog_retired.{names[2]}"))
        dropping = asyncio.create_task(drop_retired(owner))

        async def waits() -> bool:
            found = await looker.execute(
                text("select 1 from pg_locks where not granted and mode = 'AccessExclusiveLock'")
            )
            await looker.rollback()
            return found.first() is not None

        await eventually(waits)
        left = await looker.execute(
            text("select tablename from pg_tables where schemaname = 'catalog_retired'")
        )
        others = {row.tablename for row in left} - {names[2]}
        assert others
        for name in others:
            await reader.execute(
                text(f"lock table catalog_retired.{name} in access share mode nowait")
            )
        await reader.rollback()
        await dropping
        gone = await looker.execute(
            text("select 1 from pg_namespace where nspname = 'catalog_retired'")
        )
        assert gone.first() is None


async def test_a_rebuild_finds_no_difference_and_takes_over_under_traffic(
    stage: Stage, owner: AsyncEngine
) -> None:
    user = await stage.user("ada")
    await write(stage, 5, 200)
    kept = await stage.ready(user, "Kept")
    await stage.settle()
    seen: list[tuple[int, int]] = []
    statuses: list[int] = []
    done = asyncio.Event()

    async def read() -> None:
        while not done.is_set():
            for path in (f"/streaming/id/{kept}", "/streaming/latest", "/streaming/search?q=kept"):
                answer = await stage.get(path)
                statuses.append(answer.status_code)

    async def edit() -> int:
        count = 0
        while not done.is_set():
            count += 1
            edited = await stage.call(
                "PUT", f"/streaming/{kept}", user, json={"title": f"Kept {count}"}
            )
            statuses.append(edited.status_code)
            # Each is another viewer.
            headers = {"user-agent": f"Browser {count}"}
            viewed = await stage.call("PATCH", f"/streaming/views/{kept}", headers=headers)
            statuses.append(viewed.status_code)
        return count

    traffic = [asyncio.create_task(read()), asyncio.create_task(read())]
    editing = asyncio.create_task(edit())
    rebuild = Rebuild(owner, stage.store, lambda at, of: seen.append((at, of)))
    for _ in range(3):
        report = await rebuild.run(swap=True)
        assert report.swapped
        assert report.differences == []
        assert set(report.differing.values()) == {0}
        assert report.rows["videos"] > 0
    done.set()
    await asyncio.gather(*traffic)
    edits = await editing

    assert set(statuses) == {200}
    assert seen[0][0] == 0
    await stage.settle()
    shown = (await stage.get(f"/streaming/id/{kept}")).json()["data"]
    assert (shown["title"], shown["views"]) == (f"Kept {edits}", edits)
    assert await stage.query("select 1 from pg_namespace where nspname like 'catalog_%'") == []
    async with owner.connect() as connection:
        migrations = Migrations("services.catalog")
        assert await connection.run_sync(migrations.differences) == []
    before = await contents(stage)
    report = await rebuild.run(swap=True)
    assert await contents(stage) == before
    again = await rebuild.run(swap=False)
    assert again.checksums == report.checksums


async def test_verify_says_which_rows_differ_and_changes_nothing(
    stage: Stage, owner: AsyncEngine
) -> None:
    user = await stage.user()
    right, wrong = await stage.ready(user, "Right"), await stage.ready(user, "Wrong")
    await stage.settle()
    await stage.query("update catalog.videos set title = 'Broken' where id = $1", wrong)
    await stage.query("delete from catalog.jobs where id = $1", right)
    before = await contents(stage)

    report = await Rebuild(owner, stage.store, lambda *_: None).run(swap=False)

    assert not report.swapped
    # As the command prints it.
    assert msgspec.json.decode(msgspec.json.encode(report))["differing"]["videos"] == 2
    assert (report.differing["videos"], report.differing["jobs"]) == (2, 1)
    assert report.differing["users"] == 0
    found = {(row.table, row.key, row.only_in) for row in report.differences}
    assert found == {
        ("videos", wrong, "live"),
        ("videos", wrong, "rebuilt"),
        ("jobs", right, "rebuilt"),
    }
    assert await contents(stage) == before

    repaired = await Rebuild(owner, stage.store, lambda *_: None).run(swap=True)
    assert repaired.swapped
    assert (await stage.get(f"/streaming/id/{wrong}")).json()["data"]["title"] == "Wrong"
    assert (await stage.get(f"/jobs/{right}", user)).status_code == 200


async def test_an_interrupted_rebuild_goes_on_where_it_was(
    stage: Stage, owner: AsyncEngine
) -> None:
    await write(stage, 6, 100)
    await stage.settle()

    def interrupt(position: int, target: int) -> None:
        if position == target:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await Rebuild(owner, stage.store, interrupt).run(swap=True)
    seen: list[int] = []
    report = await Rebuild(owner, stage.store, lambda at, _: seen.append(at)).run(swap=True)

    assert seen[0] == 100
    assert report.differences == []


async def test_one_rebuild_at_a_time(stage: Stage, owner: AsyncEngine) -> None:
    await write(stage, 7, 50)
    await stage.settle()
    rebuilds = [Rebuild(owner, stage.store, lambda *_: None).run(swap=False) for _ in range(2)]

    first, second = await asyncio.gather(*rebuilds, return_exceptions=True)

    assert isinstance(first, RebuildRunning) != isinstance(second, RebuildRunning)


async def test_an_event_that_cannot_be_read_stops_a_rebuild_and_nothing_else(
    stage: Stage, owner: AsyncEngine
) -> None:
    user = await stage.user()
    video = await stage.ready(user)
    await stage.query(
        "insert into log.events"
        " (stream_id, version, event_id, type, schema_version, data, metadata)"
        " values ('video-x', 1, gen_random_uuid(), 'FromTheFuture', 1, '{}', '{}')"
    )
    other = await stage.ready(user)
    await stage.settle()

    with pytest.raises(UnreadableEvent, match="video-x version 1"):
        await Rebuild(owner, stage.store, lambda *_: None).run(swap=True)

    assert (await stage.get("/streaming/latest")).json()["data"]["total"] == 2
    assert (await stage.get(f"/streaming/id/{other}")).json()["data"]["id"] != video
    assert len(await stage.query("select * from catalog.parked_events")) == 1


async def test_what_was_parked_is_applied_by_a_rebuild(stage: Stage, owner: AsyncEngine) -> None:
    user = await stage.user()
    video = await stage.ready(user)
    await stage.settle()
    await stage.query("alter table catalog.videos add constraint never check (title <> 'Bad')")
    stream = stream_id("video", video)
    await stage.record(stream, DetailsChanged(video_id=video, title="Bad", description=""))
    await stage.settle()
    assert len(await stage.query("select * from catalog.parked_events")) == 1
    await stage.record(stream, DetailsChanged(video_id=video, title="Good", description=""))
    await stage.settle()
    assert (await stage.get(f"/streaming/id/{video}")).json()["data"]["title"] == "A video"

    await Rebuild(owner, stage.store, lambda *_: None).run(swap=True)

    assert await stage.query("select * from catalog.parked_events") == []

    async def good() -> bool:
        return (await stage.get(f"/streaming/id/{video}")).json()["data"]["title"] == "Good"

    await eventually(good)
