"""The projector: the leading replica updates the read models and runs the background tasks."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from services.catalog.handlers import (
    Batches,
    ViewWriter,
    delete_orphan,
    empty_bin,
    publish_draft,
    take_captions,
)
from services.catalog.rows import FoundCaptions, ViewBatch
from services.catalog.webhooks.webhook_delivery import WebhookDelivery
from shared.event_store.projections.projection import ProjectionRunner
from shared.event_store.store import EventStore
from shared.loops.items import ItemMetrics, Items
from shared.loops.loops import Loops
from shared.telemetry import get_logger

_log = get_logger(__name__)

_VIEWS_SECONDS: Final = 5.0
_ORPHANS_SECONDS: Final = 2.0
_DRAFTS_SECONDS: Final = 1.0
_CAPTIONS_SECONDS: Final = 2.0
_BIN_SECONDS: Final = 30.0
_WEBHOOKS_SECONDS: Final = 0.5
# A round appends hundreds of events one by one.
_SILENCE_SECONDS: Final = 600.0


class DueVideos(Protocol):
    """Finds videos of deleted accounts, drafts and binned videos whose time has come, text tracks
    of sources."""

    async def orphans(self, without: Sequence[str]) -> Sequence[str]:
        """The ids of videos of deleted accounts, but for those of ``without``."""
        ...

    async def due_drafts(self, now: datetime, without: Sequence[str]) -> Sequence[str]:
        """The ids of drafts that become public by ``now``, but for those of ``without``."""
        ...

    async def found_captions(self, without: Sequence[str]) -> Sequence[FoundCaptions]:
        """Text tracks that may become captions, but for those of videos of ``without``."""
        ...

    async def due_binned(self, now: datetime, without: Sequence[str]) -> Sequence[str]:
        """The ids of videos that leave the bin by ``now``, but for those of ``without``."""
        ...


class BackgroundTasks:
    """Work that follows from events.

    The database holds what is left to do, so a crash loses nothing.
    """

    def __init__(
        self, store: EventStore, batches: Batches, videos: DueVideos, metrics: ItemMetrics
    ) -> None:
        self._store = store
        self._batches = batches
        self._videos = videos
        self._views = ViewWriter(store, batches)
        self._writing = Items("write views", metrics)
        self._deleting = Items("delete orphans", metrics)
        self._publishing = Items("publish drafts", metrics)
        self._taking = Items("take captions", metrics)
        self._emptying = Items("empty bin", metrics)

    async def write_views(self, age: float = _VIEWS_SECONDS) -> int:
        """Append an event for each batch of views counted at least ``age`` seconds ago."""
        waiting = await self._batches.take(age, self._writing.waiting)
        await self._writing.each(waiting, _id_of, self._write)
        if waiting:
            _log.info("views appended", batches=len(waiting))
        return len(waiting)

    async def delete_orphans(self) -> int:
        """Delete videos of deleted accounts, including new uploads; return their number."""
        found = await self._videos.orphans(self._deleting.waiting)
        await self._deleting.each(found, str, self._delete)
        if found:
            _log.info("videos of deleted accounts deleted", videos=len(found))
        return len(found)

    async def publish_drafts(self) -> int:
        """Make drafts public whose time has come; return their number."""
        now = datetime.now(UTC)
        found = await self._videos.due_drafts(now, self._publishing.waiting)

        async def publish(video_id: str) -> None:
            await publish_draft(self._store, video_id, now)

        await self._publishing.each(found, str, publish)
        if found:
            _log.info("drafts published", videos=len(found))
        return len(found)

    async def take_captions(self) -> int:
        """Make text tracks of sources captions of their videos; return the number of videos."""
        found = await self._videos.found_captions(self._taking.waiting)
        await self._taking.each(found, _video_of, self._take)
        if found:
            _log.info("captions of sources taken over", videos=len(found))
        return len(found)

    async def _take(self, found: FoundCaptions) -> None:
        await take_captions(self._store, found.video_id, found.tracks)

    async def empty_bin(self) -> int:
        """Delete for good what has been in the bin long enough; return the number of videos."""
        now = datetime.now(UTC)
        found = await self._videos.due_binned(now, self._emptying.waiting)

        async def delete(video_id: str) -> None:
            await empty_bin(self._store, video_id, now)

        await self._emptying.each(found, str, delete)
        if found:
            _log.info("binned videos deleted", videos=len(found))
        return len(found)

    async def _write(self, batch: ViewBatch) -> None:
        await self._views.write(batch)

    async def _delete(self, video_id: str) -> None:
        await delete_orphan(self._store, video_id)


def _id_of(batch: ViewBatch) -> str:
    return batch.batch_id


def _video_of(found: FoundCaptions) -> str:
    return found.video_id


class Projector:
    """The work of the leading process.

    ``consume`` offers events from messages to the runner until cancelled.
    """

    def __init__(
        self,
        loops: Loops,
        new_runner: Callable[[], ProjectionRunner],
        consume: Callable[[ProjectionRunner], Coroutine[Any, Any, None]],
        background: BackgroundTasks,
        webhooks: WebhookDelivery,
    ) -> None:
        self._loops = loops
        self._new_runner = new_runner
        self._consume = consume
        self._background = background
        self._webhooks = webhooks

    async def run(self, _lock: object) -> None:
        """Project and run the background tasks until cancelled."""
        runner = self._new_runner()
        repeat = self._loops.repeat
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(runner.run())
            tasks.create_task(self._consume(runner))
            tasks.create_task(
                repeat(
                    "write views",
                    self._background.write_views,
                    _VIEWS_SECONDS,
                    silence_seconds=_SILENCE_SECONDS,
                    rests=True,
                )
            )
            tasks.create_task(
                repeat(
                    "delete orphans",
                    self._background.delete_orphans,
                    _ORPHANS_SECONDS,
                    silence_seconds=_SILENCE_SECONDS,
                    rests=True,
                )
            )
            tasks.create_task(
                repeat(
                    "publish drafts",
                    self._background.publish_drafts,
                    _DRAFTS_SECONDS,
                    silence_seconds=_SILENCE_SECONDS,
                    rests=True,
                )
            )
            tasks.create_task(
                repeat(
                    "take captions",
                    self._background.take_captions,
                    _CAPTIONS_SECONDS,
                    silence_seconds=_SILENCE_SECONDS,
                )
            )
            tasks.create_task(
                repeat(
                    "empty bin",
                    self._background.empty_bin,
                    _BIN_SECONDS,
                    silence_seconds=_SILENCE_SECONDS,
                )
            )
            tasks.create_task(self._deliver())

    async def _deliver(self) -> None:
        try:
            await self._loops.repeat(
                "deliver webhooks", self._webhooks.round, _WEBHOOKS_SECONDS, rests=True
            )
        finally:
            await self._webhooks.stop()
