"""Rows that an older version of the projector wrote during a roll back are brought up to date."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from services.catalog.read_model import folding, library_rows, public_events
from services.catalog.read_model.library_rows import FOLD
from services.catalog.read_model.projections import Library
from services.catalog.read_model.rebuild import Rebuild
from services.catalog.rows import VideoRow
from services.catalog.tables import READ_MODELS
from shared.contracts import (
    DetailsChanged,
    LiveStreamCreated,
    TagsAdded,
    UserDeleted,
    ViewsCounted,
    new_id,
    stream_id,
)
from shared.database.connect import create_engine
from shared.event_store.projections.projection import ProjectionRunner
from shared.event_store.projections.refold import Refoldable, Refolder
from shared.event_store.store import Metadata, NewEvent, SequencedEvent
from tests.integration.catalog.stage import Stage, open_stage
from tests.support.catalog_stories import Story
from tests.support.databases import Database
from tests.support.live_events import live_connected
from tests.support.wait import eventually


class Older(Library):
    """A release before: it marks what it has applied."""

    fold = FOLD - 1


class Unmarking:
    """A release from before the marks."""

    name = Library.name

    async def apply(self, connection: AsyncConnection, events: Sequence[SequencedEvent]) -> None:
        await Library().apply(connection, events)


OLD_RELEASES: list[Callable[[], Any]] = [Older, Unmarking]


@pytest.fixture
async def stage(database: Database) -> AsyncIterator[Stage]:
    async with open_stage(database, follow=False) as stage:
        stage.start_stamping()
        yield stage


@pytest.fixture
def old_fold(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """Makes the fold what it was in the older release, and makes it what it is again."""

    @asynccontextmanager
    async def older() -> AsyncIterator[None]:
        normalise = folding.normalise
        with monkeypatch.context() as patched:
            left_out = (*public_events._NOT_IN_FEED, TagsAdded, LiveStreamCreated)  # pyright: ignore[reportPrivateUsage]
            patched.setattr(public_events, "_NOT_IN_FEED", left_out[1:])
            patched.setattr(library_rows, "FOLD", FOLD - 1)
            patched.setattr(folding, "normalise", lambda text: f"{normalise(text)} older")
            patched.setattr(folding.Fold, "_mark_updated", _only_changed)
            yield

    return older  # pyright: ignore[reportReturnType]


def _only_changed(fold: folding.Fold, video: VideoRow, _at: datetime) -> None:
    fold.changed_videos.add(video.id)


@asynccontextmanager
async def projecting(stage: Stage, projection: Any) -> AsyncIterator[None]:
    """Project until the read models include every event of the log."""
    runner = ProjectionRunner(
        stage.engine, stage.store, projection, "catalog", batch=17, poll_seconds=0.02
    )
    task = asyncio.create_task(runner.run())
    try:
        yield
        settled = asyncio.create_task(stage.settle())
        await asyncio.wait([task, settled], return_when=asyncio.FIRST_COMPLETED)
        await (settled if settled.done() else task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class History:
    """The events of a story, recorded bit by bit."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self._store = stage.store
        self._story = Story(seed)
        self._versions: dict[str, int] = {}

    async def goes_on(self, count: int) -> None:
        for stream, event in self._story.facts(count):
            version = self._versions.get(stream, 0)
            self._versions[stream] = await self._store.append(
                stream, version, [NewEvent(event)], Metadata()
            )


async def folds(stage: Stage) -> list[tuple[int, int]]:
    (row,) = await stage.query("select folds::text from catalog.checkpoints")
    return [(run["after"], run["fold"]) for run in json.loads(row["folds"])]


async def up_to_date(stage: Stage) -> None:
    async def done() -> bool:
        return await folds(stage) == [(0, FOLD)]

    await eventually(done)


async def contents(stage: Stage) -> dict[str, list[Any]]:
    columns = "select to_jsonb(t)::text as t"
    return {
        table.name: await stage.query(f"{columns} from {table.fullname} t order by 1")
        for table in READ_MODELS
    }


async def rebuilt(stage: Stage) -> dict[str, list[Any]]:
    """What the read models are after a rebuild by this version."""
    owner = create_engine(stage.database.admin_url, size=4)
    try:
        await Rebuild(owner, stage.store, lambda *_: None).run(swap=True)
    finally:
        await owner.dispose()
    return await contents(stage)


@pytest.mark.parametrize("release", OLD_RELEASES)
@pytest.mark.parametrize("seed", [1, 2])
async def test_after_rolling_back_and_forward_rows_are_those_of_a_rebuild(
    stage: Stage, old_fold: Any, release: Callable[[], Any], seed: int
) -> None:
    history = History(stage, seed)
    async with projecting(stage, Library()):
        await history.goes_on(150)
    async with old_fold(), projecting(stage, release()):
        await history.goes_on(120)
    wrong = await contents(stage)
    async with projecting(stage, Library()):
        await history.goes_on(60)
        await up_to_date(stage)

    right = await contents(stage)
    assert right == await rebuilt(stage)
    assert not {row["t"] for row in wrong["feed"]} <= {row["t"] for row in right["feed"]}


@pytest.mark.parametrize("release", OLD_RELEASES)
async def test_an_upgrade_folds_again_what_there_is(
    stage: Stage, old_fold: Any, release: Callable[[], Any]
) -> None:
    history = History(stage, 3)
    async with old_fold(), projecting(stage, release()):
        await history.goes_on(200)
    async with projecting(stage, Library()):
        await up_to_date(stage)

    assert await contents(stage) == await rebuilt(stage)


async def test_versions_that_take_turns_fold_again_only_what_the_older_one_wrote(
    stage: Stage, old_fold: Any
) -> None:
    history = History(stage, 4)
    async with projecting(stage, Library()):
        await history.goes_on(100)
    for turn in range(3):
        async with old_fold(), projecting(stage, Older()):
            await history.goes_on(20)
        assert (await folds(stage)) == [(0, FOLD), (100 + 30 * turn, FOLD - 1)]
        # The older one leaves alone what the newer one wrote.
        older = Refolder(stage.engine, stage.store, Older(), "catalog")
        assert not await older.round()
        async with projecting(stage, Library()):
            await history.goes_on(10)
            await up_to_date(stage)
        newer = Refolder(stage.engine, stage.store, Library(), "catalog")
        assert not await newer.round()

    assert await contents(stage) == await rebuilt(stage)


async def test_an_account_that_was_deleted_under_the_older_version(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await stage.user("ada")
    async with projecting(stage, Library()):
        videos = [await stage.ready(user, f"Video {n}") for n in range(3)]
    with monkeypatch.context() as patched:

        async def forget_nothing(*_: Any) -> None:
            """The older version leaves a deleted account's videos in the lists."""

        patched.setattr(library_rows.LibraryRows, "unlist", forget_nothing)
        patched.setattr(library_rows.LibraryRows, "delete", forget_nothing)
        async with projecting(stage, Older()):
            await stage.record(stream_id("user", user), UserDeleted(user_id=user), at=1)
    listed = "select id from catalog.videos where listed order by 1"
    assert [row["id"] for row in await stage.query(listed)] == sorted(videos)
    async with projecting(stage, Library()):
        await up_to_date(stage)

    assert await stage.query(listed) == []
    assert await contents(stage) == await rebuilt(stage)


async def test_live_streams_and_their_videos_are_folded_again(stage: Stage, old_fold: Any) -> None:
    user = await stage.user("ada")
    live, video = new_id(), new_id()
    created = LiveStreamCreated(
        live_id=live,
        user_id=user,
        title="Live",
        description="",
        visibility="public",
        latency="low",
        record=True,
        reconnect_seconds=30,
    )
    connected = live_connected(video, user, live_id=live, title="Live", record=True)
    async with old_fold(), projecting(stage, Older()):
        await stage.record(stream_id("live", live), created)
        await stage.record(stream_id("livesession", video), connected)
    feed = f"select type from catalog.feed where user_id = '{user}' order by position"
    assert "LiveStreamCreated" not in [row["type"] for row in await stage.query(feed)]
    async with projecting(stage, Library()):
        await up_to_date(stage)

    assert "LiveStreamCreated" in [row["type"] for row in await stage.query(feed)]
    assert await contents(stage) == await rebuilt(stage)


async def test_events_that_are_parked_stay_parked(stage: Stage, old_fold: Any) -> None:
    user = await stage.user()
    async with old_fold(), projecting(stage, Older()):
        video = await stage.ready(user)
        await stage.query("alter table catalog.videos add constraint never check (title <> 'Bad')")
        for title in ("Before", "Bad", "After"):
            changed = DetailsChanged(video_id=video, title=title, description="")
            await stage.record(stream_id("video", video), changed)
            await stage.settle()
    async with projecting(stage, Library()):
        await up_to_date(stage)

    (row,) = await stage.query("select title from catalog.videos")
    assert row["title"] == "Before"
    assert len(await stage.query("select * from catalog.parked_events")) == 2


async def test_an_entity_that_cannot_be_folded_holds_up_no_other(
    stage: Stage, old_fold: Any
) -> None:
    user = await stage.user()
    async with old_fold(), projecting(stage, Older()):
        bad, good = await stage.ready(user, "Bad"), await stage.ready(user, "Good")
        tags = TagsAdded(video_id=good, tags=("sea",))
        await stage.record(stream_id("video", good), tags)
    await stage.query(
        "alter table catalog.videos add constraint never check (title <> 'Bad') not valid"
    )
    async with projecting(stage, Library()):
        await up_to_date(stage)

    types = await stage.query("select type from catalog.feed where video_id = $1", good)
    assert "TagsAdded" in {row["type"] for row in types}
    assert await stage.query("select 1 from catalog.videos where id = $1", bad)


async def test_a_video_of_many_events_is_folded_once(
    stage: Stage, old_fold: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.event_store.projections.refold._RANGE", 10)
    monkeypatch.setattr("shared.event_store.projections.refold._PAGE", 7)
    user = await stage.user()
    async with old_fold(), projecting(stage, Older()):
        video = await stage.ready(user)
        views = [ViewsCounted(video_id=video, count=1, batch_id=new_id()) for _ in range(60)]
        await stage.record(stream_id("video", video), *views)
    made: list[Sequence[str]] = []
    refolding = Library.refolding

    def noted(self: Library, connection: AsyncConnection, entities: Sequence[str]) -> Any:
        made.append(entities)
        return refolding(self, connection, entities)

    monkeypatch.setattr(Library, "refolding", noted)
    async with projecting(stage, Library()):
        await up_to_date(stage)

    assert [entity for entities in made for entity in entities].count(video) == 1
    assert (await stage.query("select views from catalog.videos"))[0]["views"] == 60
    assert await contents(stage) == await rebuilt(stage)


def test_the_library_can_be_folded_again() -> None:
    assert isinstance(Library(), Refoldable)
    assert not isinstance(Unmarking(), Refoldable)
