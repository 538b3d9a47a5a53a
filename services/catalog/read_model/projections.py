"""The projection of events to the read models. A batch costs a few statements.

It reads the rows of a batch's entities, folds the events into them in memory (``folding``) and
writes every changed row once.
"""

# ruff: noqa: S608 - statements are put together from names of our own tables and columns only

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Table, bindparam, delete, func, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Text, Uuid

from services.catalog.read_model.folding import Fold, tag_rows
from services.catalog.rows import FeedRow, JobRow, UserRow, VideoRow
from services.catalog.tables import (
    feed,
    jobs,
    users,
    video_tags,
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
    VideoUploaded,
    category_of,
    entity_of,
)
from shared.event_store.store import SequencedEvent

Row = TypeVar("Row", UserRow, VideoRow, JobRow)

NAME = "library"

# Events that name their owner where no row does yet.
_OWNED: Final[tuple[Any, ...]] = (
    *(UploadStarted, VideoUploaded, LiveConnected, LiveClipMade),
    *CATEGORY_EVENTS["live"],
)

# With this many rows or more, COPY is cheaper than one JSON document.
_COPY_ROWS = 200


class Library:
    """The projection that writes all read models."""

    name = NAME

    def __init__(self, schema: str = "catalog") -> None:
        self._schema = schema

    async def apply(self, connection: AsyncConnection, events: Sequence[SequencedEvent]) -> None:
        """Fold events into the tables, inside the caller's transaction."""
        fold = await self._load(connection, events)
        for event in events:
            fold.apply(event)
        await self._save(connection, fold)

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
        fold.videos = await self._rows(connection, videos, VideoRow, video_ids)
        fold.jobs = await self._rows(connection, jobs, JobRow, video_ids)
        user_ids |= {row.user_id for row in (*fold.jobs.values(), *fold.videos.values())}
        fold.users = await self._rows(connection, users, UserRow, user_ids)
        return fold

    async def _rows(
        self, connection: AsyncConnection, table: Table, kind: type[Row], ids: Iterable[str]
    ) -> dict[str, Row]:
        wanted = sorted(ids)
        if not wanted:
            return {}
        statement = text(
            f"select coalesce(jsonb_agg(to_jsonb(t)), '[]')::text"
            f" from {self._name(table)} t where id = any(:ids)"
        ).bindparams(bindparam("ids", type_=ARRAY(Text)))
        found = (await connection.execute(statement, {"ids": wanted})).scalar_one()
        return {row.id: row for row in msgspec.json.decode(found, type=list[kind])}

    async def _save(self, connection: AsyncConnection, fold: Fold) -> None:
        await self._write(connection, users, fold.users, fold.changed_users)
        await self._write(connection, videos, fold.videos, fold.changed_videos)
        await self._write(connection, jobs, fold.jobs, fold.changed_jobs)
        await self._write_tags(connection, fold)
        if fold.words:
            await self._insert(
                connection, words, [{"word": word} for word in sorted(fold.words)], ignore=True
            )
        if fold.forgotten_users:
            await self._delete(connection, feed, "user_id", fold.forgotten_users)
            await self._unlist(connection, fold.forgotten_users)
        if fold.feed:
            await self._append_feed(connection, fold.feed)
            if self._schema == webhooks.schema:
                await self._announce_feed(connection, fold.feed)
        if fold.counted_batches and self._schema == view_batches.schema:
            # The rows include the views of these batches now.
            await connection.execute(
                delete(view_batches).where(
                    view_batches.c.batch_id
                    == bindparam("ids", fold.counted_batches, ARRAY(Uuid(as_uuid=False))).any_()
                )
            )

    async def _write(
        self, connection: AsyncConnection, table: Table, rows: dict[str, Any], changed: set[str]
    ) -> None:
        present = [rows[id_] for id_ in sorted(changed) if id_ in rows]
        if present:
            await self._upsert(connection, table, present)
        if gone := [id_ for id_ in changed if id_ not in rows]:
            await self._delete(connection, table, "id", gone)

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

    async def _append_feed(self, connection: AsyncConnection, rows: list[FeedRow]) -> None:
        if len(rows) < _COPY_ROWS:
            await self._insert(connection, feed, rows)
            return
        raw = await connection.get_raw_connection()
        driver: Any = raw.driver_connection
        await driver.copy_records_to_table(
            feed.name,
            schema_name=self._schema,
            columns=FeedRow.__struct_fields__,
            records=map(_copied_values, rows),
        )

    async def _write_tags(self, connection: AsyncConnection, fold: Fold) -> None:
        if not fold.retagged:
            return
        await self._delete(connection, video_tags, "video_id", fold.retagged)
        rows = [
            row
            for id_ in sorted(fold.retagged)
            if (video := fold.videos.get(id_))
            for row in tag_rows(video)
        ]
        if rows:
            await self._insert(connection, video_tags, rows)

    async def _upsert(self, connection: AsyncConnection, table: Table, rows: list[Any]) -> None:
        assignments = ", ".join(
            f"{column.name} = excluded.{column.name}"
            for column in table.columns
            if not column.primary_key
        )
        await self._populate(
            connection, table, rows, f"on conflict (id) do update set {assignments}"
        )

    async def _insert(
        self, connection: AsyncConnection, table: Table, rows: list[Any], *, ignore: bool = False
    ) -> None:
        await self._populate(connection, table, rows, "on conflict do nothing" if ignore else "")

    async def _populate(
        self, connection: AsyncConnection, table: Table, rows: list[Any], suffix: str
    ) -> None:
        """Insert rows as one JSON document, which is far cheaper than a parameter per value."""
        name = self._name(table)
        columns = ", ".join(column.name for column in table.columns)
        await connection.execute(
            text(
                f"insert into {name} ({columns}) select {columns} from"
                f" jsonb_populate_recordset(null::{name}, cast(:rows as jsonb)) {suffix}"
            ),
            {"rows": msgspec.json.encode(rows).decode()},
        )

    async def _delete(
        self, connection: AsyncConnection, table: Table, column: str, values: Iterable[str]
    ) -> None:
        statement = text(f"delete from {self._name(table)} where {column} = any(:ids)").bindparams(
            bindparam("ids", type_=ARRAY(Text))
        )
        await connection.execute(statement, {"ids": sorted(values)})

    async def _unlist(self, connection: AsyncConnection, user_ids: Iterable[str]) -> None:
        """Take all videos of deleted accounts out of the lists; they are deleted one by one."""
        ids = bindparam("ids", type_=ARRAY(Text))
        unlisted = await connection.execute(
            text(
                f"update {self._name(videos)} set listed = false"
                " where listed and user_id = any(:ids) returning id"
            ).bindparams(ids),
            {"ids": sorted(user_ids)},
        )
        await connection.execute(
            text(
                f"update {self._name(video_tags)} set listed = false"
                " where listed and video_id = any(:ids)"
            ).bindparams(ids),
            {"ids": list(unlisted.scalars())},
        )

    def _name(self, table: Table) -> str:
        return f"{self._schema}.{table.name}"


def _copied_values(row: FeedRow) -> tuple[Any, ...]:
    """The values of a row as COPY takes them: JSON as text."""
    return tuple(
        bytes(value).decode() if isinstance(value, msgspec.Raw) else value
        for value in msgspec.structs.astuple(row)
    )
