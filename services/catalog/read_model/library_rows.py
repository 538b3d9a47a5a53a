"""The SQL that reads and writes rows of the read models."""

# ruff: noqa: S608 - statements are put together from names of our own tables and columns only

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Table, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Text

from services.catalog.read_model.folding import tag_rows
from services.catalog.read_model.terms import term_rows
from services.catalog.rows import FeedRow, JobRow, UserRow, VideoRow, VideoTermRow
from services.catalog.tables import feed, video_tags, video_terms, videos, words

Row = TypeVar("Row", UserRow, VideoRow, JobRow)

FOLD: Final = 7
"""The version of the fold: one more whenever the same events lead to other rows."""

# With this many rows or more, COPY is cheaper than one JSON document.
_COPY_ROWS = 200


class LibraryRows:
    """The rows of all read models in one schema."""

    def __init__(self, schema: str) -> None:
        self._schema = schema

    async def rows(
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

    async def videos_of(self, connection: AsyncConnection, users: Sequence[str]) -> list[str]:
        """The ids of the videos of these accounts."""
        found = await connection.execute(
            text(f"select id from {self._name(videos)} where user_id = any(:ids)").bindparams(
                bindparam("ids", type_=ARRAY(Text))
            ),
            {"ids": list(users)},
        )
        return list(found.scalars())

    async def write(
        self, connection: AsyncConnection, table: Table, rows: dict[str, Any], changed: set[str]
    ) -> None:
        present = [rows[id_] for id_ in sorted(changed) if id_ in rows]
        if present:
            await self._upsert(connection, table, present)
        if gone := [id_ for id_ in changed if id_ not in rows]:
            await self.delete(connection, table, "id", gone)

    async def append_feed(self, connection: AsyncConnection, rows: list[FeedRow]) -> None:
        await self._append(connection, feed, FeedRow, rows)

    async def add_words(self, connection: AsyncConnection, found: Iterable[str]) -> None:
        """Add words, and note which fold makes them."""
        rows = [{"word": word, "fold": FOLD} for word in sorted(found)]
        if not rows:
            return
        name = self._name(words)
        # Nearly all words are known: these are neither locked nor written.
        await connection.execute(
            text(
                f"insert into {name} (word, fold) select word, fold"
                f" from jsonb_populate_recordset(null::{name}, cast(:rows as jsonb)) made"
                f" where not exists (select from {name} known where known.word = made.word"
                " and known.fold >= made.fold)"
                " on conflict (word) do update set fold = excluded.fold"
            ),
            {"rows": msgspec.json.encode(rows).decode()},
        )

    async def write_tags(
        self, connection: AsyncConnection, videos_: dict[str, VideoRow], changed: set[str]
    ) -> None:
        """Write the rows of the tags of these videos."""
        if not changed:
            return
        await self.delete(connection, video_tags, "video_id", changed)
        rows = [
            row for id_ in sorted(changed) if (video := videos_.get(id_)) for row in tag_rows(video)
        ]
        if rows:
            await self.insert(connection, video_tags, rows)

    async def write_terms(
        self, connection: AsyncConnection, videos_: dict[str, VideoRow], changed: set[str]
    ) -> None:
        """Write the rows of the terms of these videos."""
        if not changed:
            return
        await self.delete(connection, video_terms, "video_id", changed)
        rows = [
            row
            for id_ in sorted(changed)
            if (video := videos_.get(id_))
            for row in term_rows(video)
        ]
        await self._append(connection, video_terms, VideoTermRow, rows)

    async def _append(
        self,
        connection: AsyncConnection,
        table: Table,
        kind: type[msgspec.Struct],
        rows: Sequence[msgspec.Struct],
    ) -> None:
        if len(rows) < _COPY_ROWS:
            if rows:
                await self.insert(connection, table, list(rows))
            return
        raw = await connection.get_raw_connection()
        driver: Any = raw.driver_connection
        await driver.copy_records_to_table(
            table.name,
            schema_name=self._schema,
            columns=kind.__struct_fields__,
            records=map(_copied_values, rows),
        )

    async def _upsert(self, connection: AsyncConnection, table: Table, rows: list[Any]) -> None:
        assignments = ", ".join(
            f"{column.name} = excluded.{column.name}"
            for column in table.columns
            if not column.primary_key
        )
        await self._populate(
            connection, table, rows, f"on conflict (id) do update set {assignments}"
        )

    async def insert(self, connection: AsyncConnection, table: Table, rows: list[Any]) -> None:
        await self._populate(connection, table, rows, "")

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

    async def delete(
        self, connection: AsyncConnection, table: Table, column: str, values: Iterable[str]
    ) -> None:
        statement = text(f"delete from {self._name(table)} where {column} = any(:ids)").bindparams(
            bindparam("ids", type_=ARRAY(Text))
        )
        await connection.execute(statement, {"ids": sorted(values)})

    async def unlist(self, connection: AsyncConnection, user_ids: Iterable[str]) -> None:
        """Take all videos of deleted accounts out of the lists; they are deleted one by one."""
        ids = bindparam("ids", type_=ARRAY(Text))
        found = await connection.execute(
            text(
                f"update {self._name(videos)} set listed = false"
                " where listed and user_id = any(:ids) returning id"
            ).bindparams(ids),
            {"ids": sorted(user_ids)},
        )
        unlisted = list(found.scalars())
        await connection.execute(
            text(
                f"update {self._name(video_tags)} set listed = false"
                " where listed and video_id = any(:ids)"
            ).bindparams(ids),
            {"ids": unlisted},
        )
        await self.delete(connection, video_terms, "video_id", unlisted)

    def _name(self, table: Table) -> str:
        return f"{self._schema}.{table.name}"


def _copied_values(row: msgspec.Struct) -> tuple[Any, ...]:
    """The values of a row as COPY takes them: JSON as text."""
    return tuple(
        bytes(value).decode() if isinstance(value, msgspec.Raw) else value
        for value in msgspec.structs.astuple(row)
    )
