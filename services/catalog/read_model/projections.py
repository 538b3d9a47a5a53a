"""The projection of events to the read models. A batch costs a few statements.

It reads the rows of a batch's entities, folds the events into them in memory (``folding``) and
writes every changed row once.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import bindparam, delete, func, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Text, Uuid

from services.catalog.read_model.folding import IGNORED, Fold
from services.catalog.read_model.late_events import send_back
from services.catalog.read_model.library_rows import FOLD, LibraryRows
from services.catalog.read_model.refolding import LibraryRefolding
from services.catalog.rows import FeedRow, JobRow, UserRow, VideoRow
from services.catalog.tables import (
    feed,
    jobs,
    users,
    videos,
    view_batches,
    webhooks,
    words,
)
from shared.contracts import (
    CATEGORY_EVENTS,
    LiveClipMade,
    LiveConnected,
    UploadStarted,
    UserDeleted,
    VideoUploaded,
    category_of,
    entity_of,
)
from shared.event_store.projections.refold import Refolding
from shared.event_store.store import SequencedEvent

NAME = "library"

# Events that name their owner where no row does yet.
_OWNED: Final[tuple[Any, ...]] = (
    *(UploadStarted, VideoUploaded, LiveConnected, LiveClipMade),
    *CATEGORY_EVENTS["live"],
)


class Library:
    """The projection that writes all read models."""

    name = NAME
    fold = FOLD
    ignored = IGNORED

    def __init__(self, schema: str = "catalog") -> None:
        self._schema = schema
        self._rows = LibraryRows(schema)

    async def apply(self, connection: AsyncConnection, events: Sequence[SequencedEvent]) -> None:
        """Fold events into the tables, inside the caller's transaction."""
        fold = await self._load(connection, events)
        for event in events:
            fold.apply(event)
        await self._save(connection, fold)

    def refolding(self, connection: AsyncConnection, entities: Sequence[str]) -> Refolding:
        """The rows of these entities, made anew from all of their events."""
        return LibraryRefolding(self._rows, connection, entities)

    async def dependents(
        self, connection: AsyncConnection, events: Sequence[SequencedEvent]
    ) -> Sequence[str]:
        """The videos of the accounts that the events delete."""
        users = [entity_of(e.stream_id) for e in events if isinstance(e.data, UserDeleted)]
        return await self._rows.videos_of(connection, users) if users else ()

    async def complete(self, connection: AsyncConnection) -> None:
        """Forget the words that no event leads to any more: an older fold made them."""
        await connection.execute(delete(words).where(words.c.fold < FOLD))

    async def _load(self, connection: AsyncConnection, events: Sequence[SequencedEvent]) -> Fold:
        user_ids: set[str] = set()
        video_ids: set[str] = set()
        for event in events:
            of_user = category_of(event.stream_id) == "user"
            (user_ids if of_user else video_ids).add(entity_of(event.stream_id))
            if isinstance(event.data, _OWNED):
                owner: str = event.data.user_id  # pyright: ignore[reportAttributeAccessIssue]
                user_ids.add(owner)
        fold = Fold()
        fold.videos = await self._rows.rows(connection, videos, VideoRow, video_ids)
        fold.jobs = await self._rows.rows(connection, jobs, JobRow, video_ids)
        user_ids |= {row.user_id for row in (*fold.jobs.values(), *fold.videos.values())}
        fold.users = await self._rows.rows(connection, users, UserRow, user_ids)
        return fold

    async def _save(self, connection: AsyncConnection, fold: Fold) -> None:
        await self._rows.write(connection, users, fold.users, fold.changed_users)
        await self._rows.write(connection, videos, fold.videos, fold.changed_videos)
        await self._rows.write(connection, jobs, fold.jobs, fold.changed_jobs)
        await self._rows.write_tags(connection, fold.videos, fold.retagged)
        await self._rows.write_terms(connection, fold.videos, fold.reworded)
        await self._rows.add_words(connection, fold.words)
        if fold.forgotten_users:
            await self._rows.delete(connection, feed, "user_id", fold.forgotten_users)
            await self._rows.unlist(connection, fold.forgotten_users)
        if fold.feed:
            live = self._schema == webhooks.schema
            if live:
                await send_back(connection, fold.feed)
            await self._rows.append_feed(connection, fold.feed)
            if live:
                await self._announce_feed(connection, fold.feed)
        if fold.counted_batches and self._schema == view_batches.schema:
            # The rows include the views of these batches now.
            await connection.execute(
                delete(view_batches).where(
                    view_batches.c.batch_id
                    == bindparam("ids", fold.counted_batches, ARRAY(Uuid(as_uuid=False))).any_()
                )
            )

    async def _announce_feed(self, connection: AsyncConnection, rows: list[FeedRow]) -> None:
        """Let the webhooks of these rows' users be found. The time differs with each call, so that
        a delivery that saw the feed before does not take it for delivered."""
        await connection.execute(
            update(webhooks)
            .where(
                webhooks.c.active,
                webhooks.c.user_id
                == bindparam("ids", sorted({row.user_id for row in rows}), ARRAY(Text)).any_(),
            )
            .values(pending_at=func.clock_timestamp())
        )
