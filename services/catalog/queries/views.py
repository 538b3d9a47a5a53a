"""Queries over the read models. Rows come back as mappings that ``api_models`` shapes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    cast,
    exists,
    func,
    literal_column,
    select,
    text,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from services.catalog.read_model.folding import username_key
from services.catalog.tables import (
    feed,
    jobs,
    pending_views,
    users,
    video_tags,
    videos,
    view_batches,
)
from shared.http.paging import PageParams

CHANNEL_PREVIEW: Final = 50
"""The number of videos in a user's answer; the channel's list has all."""

MAX_TAGS_LISTED: Final = 1000

Row = Mapping[Any, Any]


class Keyset(msgspec.Struct, frozen=True, array_like=True):
    """The sort key of a page's last row; the next page, sorted newest first, begins after it."""

    created_at: datetime
    id: str


class Listing(msgspec.Struct, frozen=True):
    """The rows of a page, the total number of rows, and the keyset of the next page."""

    rows: Sequence[Row]
    total: int
    next: Keyset | None


# Views that ``videos.views`` does not include yet. The projection deletes a batch in the
# transaction that adds it, so the sum is always exact.
_pending_sum = (
    select(func.coalesce(func.sum(pending_views.c.count), 0))
    .where(pending_views.c.video_id == videos.c.id)
    .correlate(videos)
    .scalar_subquery()
    + select(func.coalesce(func.sum(view_batches.c.count), 0))
    .where(view_batches.c.video_id == videos.c.id)
    .correlate(videos)
    .scalar_subquery()
)
_columns = tuple(column for column in videos.c if column.name != "search")


def select_videos() -> Select[Any]:
    """Videos with their owner's username and all their views."""
    shown_views = (videos.c.views + cast(_pending_sum, BigInteger)).label("shown_views")
    return select(*_columns, shown_views, users.c.username).outerjoin_from(
        videos, users, and_(users.c.id == videos.c.user_id, ~users.c.deleted)
    )


class Views:
    """The catalog's queries on one database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def video(self, video_id: str) -> Row | None:
        """A video in any state; None if it does not exist, or its owner's account does not."""
        owners = users.alias()
        gone = exists().where(owners.c.id == videos.c.user_id, owners.c.deleted)
        return await self._one(select_videos().where(videos.c.id == video_id, ~gone))

    async def latest(
        self, page: PageParams, after: Keyset | None, *, live: bool = False
    ) -> Listing:
        """Listed videos, newest first; with ``live``, those that are being sent now."""
        return await self._videos(videos.c.listed & _chosen(live), page, after)

    async def channel(
        self,
        user_id: str,
        page: PageParams,
        after: Keyset | None,
        *,
        everything: bool,
        live: bool = False,
    ) -> Listing:
        """A user's listed videos, newest first; with ``everything``, for the owner, all of them.
        With ``live``, those that are being sent now."""
        mine = (videos.c.user_id == user_id) & _chosen(live)
        return await self._videos(mine if everything else mine & videos.c.listed, page, after)

    async def tagged(self, key: str, page: PageParams, after: Keyset | None) -> Listing | None:
        """Videos with a tag, newest first; None if no listed video has it."""
        known = select(video_tags.c.key).where(video_tags.c.listed, video_tags.c.key == key)
        if await self._one(known.limit(1)) is None:
            return None
        matching = video_tags.c.listed & (video_tags.c.key == key)
        # The tag's index gives the ids of the page; only their videos are read.
        ids = _page(
            select(video_tags.c.video_id).where(matching),
            (video_tags.c.created_at, video_tags.c.video_id),
            page,
            after,
        )
        statement = (
            select_videos()
            .where(videos.c.id.in_(ids))
            .order_by(videos.c.created_at.desc(), videos.c.id.desc())
        )
        total = select(func.count()).select_from(video_tags).where(matching)
        return await self._listing(statement, total, page)

    async def tags(self) -> Sequence[str]:
        """The tags of listed videos, in order; at most 1000.

        A loose index scan: one index lookup per tag, whatever its number of videos.
        """
        statement = text(
            """
            with recursive known(key, name) as (
                (select key, name from catalog.video_tags where listed
                 order by key, created_at, video_id limit 1)
                union all
                select next.key, next.name from known cross join lateral (
                    select key, name from catalog.video_tags
                    where listed and key > known.key
                    order by key, created_at, video_id limit 1
                ) as next
            )
            select name from known limit :longest
            """
        )
        async with self._engine.connect() as connection:
            return (
                (await connection.execute(statement, {"longest": MAX_TAGS_LISTED})).scalars().all()
            )

    async def user(self, *, user_id: str = "", username: str = "") -> Row | None:
        """A user by id, or else by username; None if there is none."""
        wanted = (
            users.c.id == user_id if user_id else users.c.username_key == username_key(username)
        )
        statement = select(users).where(wanted, ~users.c.deleted)
        return await self._one(statement.order_by(users.c.registered_at).limit(1))

    async def orphans(self, without: Sequence[str] = ()) -> Sequence[str]:
        """The ids of videos of deleted accounts but for those of ``without``, at most 100."""
        statement = (
            select(videos.c.id)
            .join(users, users.c.id == videos.c.user_id)
            .where(users.c.deleted, videos.c.id.not_in(without))
        )
        async with self._engine.connect() as connection:
            return (await connection.execute(statement.limit(100))).scalars().all()

    async def due_drafts(self, now: datetime, without: Sequence[str] = ()) -> Sequence[str]:
        """The ids of drafts that become public by now but for those of ``without``, at most 100."""
        statement = (
            select(videos.c.id)
            .where(
                videos.c.publish_at <= now,
                videos.c.visibility == "draft",
                videos.c.id.not_in(without),
            )
            .order_by(videos.c.publish_at)
            .limit(100)
        )
        async with self._engine.connect() as connection:
            return (await connection.execute(statement)).scalars().all()

    async def job(self, job_id: str) -> Row | None:
        """A job; None if it does not exist."""
        return await self._one(select(jobs).where(jobs.c.id == job_id))

    async def jobs(
        self, user_id: str, status: str | None, page: PageParams, after: Keyset | None
    ) -> Listing:
        """A user's jobs, newest first."""
        matching = jobs.c.user_id == user_id
        if status is not None:
            matching &= jobs.c.status == status
        order = (jobs.c.created_at, jobs.c.id)
        statement = _page(select(jobs).where(matching), order, page, after)
        total = select(func.count()).select_from(jobs).where(matching)
        return await self._listing(statement, total, page)

    async def feed(
        self, user_id: str, after: int, types: Sequence[str], limit: int
    ) -> Sequence[Row]:
        """A user's events after a position, in the log's order."""
        statement = select(feed).where(feed.c.user_id == user_id, feed.c.position > after)
        if types:
            statement = statement.where(feed.c.type.in_(types))
        async with self._engine.connect() as connection:
            rows = await connection.execute(statement.order_by(feed.c.position).limit(limit))
            return rows.mappings().all()

    async def _videos(
        self, matching: ColumnElement[bool], page: PageParams, after: Keyset | None
    ) -> Listing:
        order = (videos.c.created_at, videos.c.id)
        statement = _page(select_videos().where(matching), order, page, after)
        total = select(func.count()).select_from(videos).where(matching)
        return await self._listing(statement, total, page)

    async def _listing(
        self, statement: Select[Any], total: Select[Any], page: PageParams
    ) -> Listing:
        async with self._engine.connect() as connection:
            rows = (await connection.execute(statement)).mappings().all()
            count = (await connection.execute(total)).scalar_one()
        # ``_page`` reads one row more than a page has; if it is there, a next page exists.
        shown = rows[: page.page_size]
        more = len(rows) > page.page_size
        last = Keyset(shown[-1]["created_at"], shown[-1]["id"]) if more else None
        return Listing(shown, count, last)

    async def _one(self, statement: Select[Any]) -> Row | None:
        async with self._engine.connect() as connection:
            return (await connection.execute(statement)).mappings().one_or_none()


def _chosen(live: bool) -> ColumnElement[bool]:
    # As ``ix_videos_live`` has it.
    return (videos.c.status == literal_column("'live'")) & ~videos.c.live_ended if live else true()


def _page(
    statement: Select[Any],
    order: tuple[ColumnElement[Any], ColumnElement[Any]],
    page: PageParams,
    after: Keyset | None,
) -> Select[Any]:
    """One page plus one row, newest first: after a keyset, or by page number."""
    ordered = statement.order_by(order[0].desc(), order[1].desc()).limit(page.page_size + 1)
    if after is not None:
        return ordered.where(tuple_(*order) < tuple_(after.created_at, after.id))
    return ordered.offset(page.offset)
