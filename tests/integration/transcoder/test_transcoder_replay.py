"""Jobs and tasks are rebuilt from the log: equal to the live ones, with claims that are free."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.transcoder.main import REPLAYED
from services.transcoder.projections import JobProjection
from shared.contracts import (
    Category,
    Event,
    LiveRecorded,
    ThumbnailsCreated,
    TranscodeCompleted,
    TranscodeFailed,
    VideoDeleted,
)
from shared.database.connect import create_engine
from shared.event_store.memory import MemoryEventStore
from shared.event_store.projections.event_applier import EventApplier
from shared.event_store.projections.projection_metrics import ProjectionMetrics
from shared.event_store.projections.refold import Refolder
from shared.event_store.projections.replay import Replay
from shared.event_store.store import Metadata, NewEvent, SequencedEvent, Unreadable
from tests.integration.transcoder.task_table import Scheduler, task_row, uploads
from tests.support.databases import Database
from tests.unit.transcoder.facts_about import IMAGES, audio_encoded, chunk_encoded, plan

PLAN = plan()
RECORDED = LiveRecorded(
    video_id="live",
    playlist_key="live/live/vod.m3u8",
    dash_key="live/live/vod.mpd",
    duration_ms=4000,
    width=640,
    height=360,
    renditions=(),
    size=1000,
)


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(database.admin_url, size=3)
    yield engine
    await engine.dispose()


class Log:
    """A log in memory, and the live projection of it."""

    def __init__(self, engine: AsyncEngine, projection: JobProjection | None = None) -> None:
        self.store = MemoryEventStore()
        self.applier = EventApplier(
            engine,
            projection or JobProjection(),
            "transcoder",
            ProjectionMetrics(CollectorRegistry()),
            committed=lambda: None,
        )

    async def write(self, category: Category, entity: str, *events: Event) -> None:
        stream = f"{category}-{entity}"
        for event in events:
            version = sum(e.stream_id == stream for e in await self.store.read_all(0, 1000))
            await self.store.append(stream, version, [NewEvent(event)], Metadata())

    async def project(self) -> None:
        await self.applier.load()
        await self.applier.apply(await self.store.read_all(self.applier.position, 1000), {})


async def history(log: Log) -> None:
    """One video of each state: waiting, under way, failed, deleted, complete."""
    for number, video in enumerate(uploads("u", 4)):
        await log.write("upload", f"u-{number}", video)
    (video,) = uploads("u", 1)
    known = type(video)(
        **{**{f: getattr(video, f) for f in video.__struct_fields__}, "video_id": "v"}
    )
    await log.write("upload", "v", known)
    await log.write("transcode", "v", PLAN, chunk_encoded(PLAN, 0, "240p"))
    await log.write("transcode", "v", audio_encoded(0, 5, complete=True), IMAGES)
    await log.write("livesession", "live", RECORDED)
    failed = TranscodeFailed(video_id="u-1", attempt=1, code="c", reason="r")
    await log.write("transcode", "u-1", failed)
    await log.write("video", "u-2", VideoDeleted(video_id="u-2", user_id="u", deleted_by="u"))
    completed = TranscodeCompleted(
        video_id="u-3",
        attempt=1,
        playlist_key="k",
        duration_ms=1,
        width=1,
        height=1,
        renditions=(),
        size=1,
    )
    await log.write("transcode", "u-3", completed)


async def rows(engine: AsyncEngine, query: str) -> list[tuple[Any, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query))]


JOBS = """
select video_id, state, attempt, playable, changes, plan is null from transcoder.jobs order by 1
"""
TASKS = "select task_id, state, kind, cost, spec from transcoder.tasks order by place"
PARKED = "select stream_id, position from transcoder.parked_events order by 2"


async def test_the_rebuilt_tables_equal_the_live_ones(
    engine: AsyncEngine, owner: AsyncEngine
) -> None:
    log = Log(engine)
    await history(log)
    await log.write("video", "u-0", Unreadable(reason="newer"))
    await log.project()
    before = [await rows(engine, query) for query in (JOBS, TASKS, PARKED)]
    assert {state for _, state, *_ in before[0]} == {
        "pending",
        "running",
        "failed",
        "deleted",
        "completed",
    }
    report = await Replay(owner, log.store, REPLAYED).run(swap=False)
    assert report.differing == {"jobs": [], "tasks": []}
    async with owner.begin() as connection:
        await connection.execute(text("truncate transcoder.jobs, transcoder.tasks"))
        await connection.execute(text("delete from transcoder.parked_events"))
    report = await Replay(owner, log.store, REPLAYED).run(swap=True)
    assert report.differing["jobs"] == ["live", "u-0", "u-1", "u-2", "u-3", "v"]
    assert report.parked == 1
    assert [await rows(engine, query) for query in (JOBS, TASKS, PARKED)] == before
    # The service's own role goes on with the new rows.
    await log.write(
        "transcode", "v", TranscodeFailed(video_id="v", attempt=1, code="c", reason="r")
    )
    await log.project()
    assert await rows(engine, "select state from transcoder.jobs where video_id = 'v'") == [
        ("failed",)
    ]


async def test_a_claim_is_free_after_a_rebuild_and_what_is_done_stays_done(
    engine: AsyncEngine, owner: AsyncEngine
) -> None:
    log = Log(engine)
    await history(log)
    await log.project()
    scheduler = Scheduler(engine)
    (picked,) = await scheduler.pick("urgent")
    claimed = await scheduler.claim(picked.task_id, picked.dispatch, "w", redelivered=False)
    assert claimed is not None
    query = "select task_id from transcoder.tasks where state = 'done' order by 1"
    done = await rows(engine, query)
    assert done
    report = await Replay(owner, log.store, REPLAYED).run(swap=True)
    assert report.differing == {"jobs": [], "tasks": []}
    task = await task_row(engine, picked.task_id)
    assert (task.state, task.worker, task.dispatch, task.tries) == ("waiting", None, 1, 1)
    assert not await scheduler.beat(claimed, "w", 0.5, None)
    # A message of before the rebuild is stale.
    assert await scheduler.claim(picked.task_id, 1, "x", redelivered=True) is None
    assert await rows(engine, query) == done


async def test_rows_that_the_log_does_not_lead_to_are_named_and_replaced(
    engine: AsyncEngine, owner: AsyncEngine
) -> None:
    log = Log(engine)
    await history(log)
    await log.project()
    async with engine.begin() as connection:
        await connection.execute(
            text("update transcoder.jobs set state = 'running' where video_id = 'u-1'")
        )
        await connection.execute(text("delete from transcoder.tasks where video_id = 'u-0'"))
    report = await Replay(owner, log.store, REPLAYED).run(swap=True)
    assert report.differing == {"jobs": ["u-1"], "tasks": ["u-0/1/plan"]}
    report = await Replay(owner, log.store, REPLAYED).run(swap=False)
    assert report.differing == {"jobs": [], "tasks": []}
    found = await rows(engine, "select nspname from pg_namespace where nspname like '%replay'")
    assert found == []


class Older(JobProjection):
    """The release before: images of a video leave their task open."""

    fold = JobProjection.fold - 1

    async def apply(self, connection: AsyncConnection, events: Sequence[SequencedEvent]) -> None:
        kept = [event for event in events if not isinstance(event.data, ThumbnailsCreated)]
        await super().apply(connection, kept)


async def test_what_an_older_version_made_is_made_again_and_other_claims_go_on(
    engine: AsyncEngine, owner: AsyncEngine
) -> None:
    log = Log(engine, Older())
    await history(log)
    await log.write("video", "u-0", Unreadable(reason="newer"))
    await log.project()
    scheduler = Scheduler(engine)
    picked = {each.task_id: each for each in await scheduler.pick("urgent", ahead=9)}
    held = picked["u-0/1/plan"]
    claimed = await scheduler.claim(held.task_id, held.dispatch, "w", redelivered=False)
    assert claimed is not None
    report = await Replay(owner, log.store, REPLAYED).run(swap=False)
    assert report.differing == {"jobs": [], "tasks": ["v/1/images"]}

    newer = Log(engine)
    newer.store = log.store
    await newer.project()
    refolder = Refolder(engine, log.store, JobProjection(), "transcoder")
    while await refolder.round():
        pass

    report = await Replay(owner, log.store, REPLAYED).run(swap=False)
    assert report.differing == {"jobs": [], "tasks": []}
    assert await scheduler.beat(claimed, "w", 0.5, None)
    assert (await task_row(engine, "v/1/images")).state == "done"
