"""A video that is deleted while it is planned or made leaves no task behind, whichever event the
projection sees first."""

import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.coordinator.reconcile_repository import ReconcileRepository
from services.transcoder.projections import JobProjection
from shared.contracts import (
    Event,
    MediaLost,
    TranscodeCompleted,
    TranscodeFailed,
    TranscodeRetried,
    VideoDeleted,
    VideoUploaded,
    uuid7,
)
from shared.database.connect import create_engine
from shared.event_store.store import Metadata, SequencedEvent
from tests.integration.transcoder.task_table import Scheduler
from tests.support.databases import Database
from tests.unit.transcoder.facts_about import IMAGES, audio_encoded, chunk_encoded, plan

PLAN = plan()
UPLOADED = VideoUploaded(
    video_id="v",
    user_id="u",
    title="t",
    description="",
    filename="f.mp4",
    content_type="video/mp4",
    size=1,
    source_key="v/source",
)
COMPLETED = TranscodeCompleted(
    video_id="v",
    attempt=1,
    playlist_key="v/master.m3u8",
    duration_ms=1,
    width=1,
    height=1,
    renditions=(),
    size=1,
)
ENDS_WELL: list[Event] = [
    PLAN,
    chunk_encoded(PLAN, 0, "240p"),
    audio_encoded(0, 5, complete=True),
    IMAGES,
    COMPLETED,
    MediaLost(video_id="v", attempt=1, keys=("v/a1/poster.webp",), tasks=("images",)),
]
ENDS_BADLY: list[Event] = [
    PLAN,
    TranscodeFailed(video_id="v", attempt=1, code="c", reason="r"),
    TranscodeRetried(video_id="v", attempt=2, requested_by="u"),
]
DELETED = VideoDeleted(video_id="v", user_id="u", deleted_by="u")


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(database.url("transcoder"), size=2)
    yield engine
    await engine.dispose()


async def project(engine: AsyncEngine, events: Sequence[Event]) -> None:
    sequenced = [
        SequencedEvent(
            stream_id="transcode-v",
            version=number,
            position=number,
            type=type(event).__name__,
            event_id=uuid7(),
            data=event,
            metadata=Metadata(),
            recorded_at=datetime.now(UTC),
        )
        for number, event in enumerate(events, start=1)
    ]
    async with engine.begin() as connection:
        await connection.execute(text("delete from transcoder.tasks"))
        await connection.execute(text("delete from transcoder.jobs"))
        await JobProjection().apply(connection, sequenced)


async def outcome(engine: AsyncEngine) -> tuple[str, int]:
    async with engine.connect() as connection:
        state = await connection.execute(text("select state from transcoder.jobs"))
        tasks = await connection.execute(text("select count(*) from transcoder.tasks"))
        return state.scalar_one(), tasks.scalar_one()


@pytest.mark.parametrize("own", [ENDS_WELL, ENDS_BADLY], ids=["completed", "failed"])
async def test_a_deletion_at_any_place_leaves_nothing_to_do(
    engine: AsyncEngine, own: list[Event]
) -> None:
    """The events of three writers, each in its own order, interleaved in every way."""
    for upload in range(2):
        for deletion in range(len(own) + 2):
            events = list(own)
            events.insert(min(upload, len(events)), UPLOADED)
            events.insert(min(deletion, len(events)), DELETED)
            await project(engine, events)
            assert await outcome(engine) == ("deleted", 0), [type(e).__name__ for e in events]


async def test_a_task_that_no_worker_may_claim_is_not_picked_and_is_cleared(
    engine: AsyncEngine,
) -> None:
    await project(engine, [UPLOADED, PLAN])
    async with engine.begin() as connection:
        await connection.execute(text("update transcoder.jobs set state = 'deleted'"))
    scheduler, repository = Scheduler(engine), ReconcileRepository(engine)
    assert await scheduler.pick("urgent", ahead=5) == []
    assert await scheduler.pick("bulk", ahead=5) == []
    stray = await repository.stray_tasks()
    assert len(stray) > 2
    await repository.remove_stray_tasks()
    assert await repository.stray_tasks() == []


async def test_shuffled_reports_of_one_attempt_leave_what_ordered_ones_do(
    engine: AsyncEngine,
) -> None:
    reports = ENDS_WELL[1:4]
    await project(engine, [UPLOADED, PLAN, *reports])
    expected = await outcome(engine)
    for seed in range(6):
        shuffled = random.Random(seed).sample(reports, len(reports))
        await project(engine, [UPLOADED, PLAN, *shuffled])
        assert await outcome(engine) == expected
