"""Folds entities again with a projection that changes tables by SQL.

Their events are applied to empty temporary tables; then the rows that differ are replaced, as a
rebuild (``replay``) replaces all of them.
"""

# ruff: noqa: S608 - statements are put together from names of our own tables and columns only

from collections.abc import Sequence

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Text

from shared.event_store.projections.event_applier import Projection
from shared.event_store.projections.refold import History
from shared.event_store.projections.replay import ReplayedTable
from shared.event_store.store import SequencedEvent

_STAGING = "pg_temp"


class ReplayedRefolding:
    """The new rows of some entities. Tables that name no entity keep their rows."""

    def __init__(
        self,
        connection: AsyncConnection,
        projection: Projection,
        schema: str,
        tables: Sequence[ReplayedTable],
        entities: Sequence[str],
    ) -> None:
        self._connection = connection
        self._projection = projection
        self._schema = schema
        self._tables = tables
        self._entities = entities
        self._prepared = False

    async def add(self, events: Sequence[SequencedEvent]) -> None:
        connection = self._connection
        await self._prepare()
        await connection.execution_options(schema_translate_map={self._schema: _STAGING})
        try:
            await self._projection.apply(connection, events)
        finally:
            await connection.execution_options(schema_translate_map={})

    async def replace(self, history: History) -> None:
        """``history`` is not needed: no row depends on events of other entities."""
        await self._prepare()
        for each in self._tables:
            if each.entity is not None:
                await self._replace(each, each.entity)

    async def _prepare(self) -> None:
        if self._prepared:
            return
        self._prepared = True
        for each in self._tables:
            name = each.table.name
            await self._connection.execute(
                text(
                    f"create temporary table {name} (like {self._schema}.{name} including all)"
                    " on commit drop"
                )
            )

    async def _replace(self, each: ReplayedTable, entity: str) -> None:
        live, new = each.table.fullname, f"{_STAGING}.{each.table.name}"
        keys = await self._differing(each, entity)
        if not keys:
            return
        if each.kept:
            values = ", ".join(f"{column} = l.{column}" for column in each.kept)
            await self._connection.execute(
                text(f"update {new} n set {values} from {live} l where l.{each.key} = n.{each.key}")
            )
        copied = [c.name for c in each.table.columns if c.name not in each.generated]
        columns, order = ", ".join(copied), ", ".join((*each.generated, each.key))
        these = f"{each.key}::text = any(:keys)"
        await self._connection.execute(
            _with_texts(f"delete from {live} where {these}", "keys"), {"keys": keys}
        )
        await self._connection.execute(
            _with_texts(
                f"insert into {live} ({columns}) select {columns} from {new}"
                f" where {these} order by {order}",
                "keys",
            ),
            {"keys": keys},
        )

    async def _differing(self, each: ReplayedTable, entity: str) -> list[str]:
        columns = ", ".join((each.key, *each.compared))
        these = f"{entity} = any(:entities)"
        live = f"select {columns} from {each.table.fullname} where {these}"
        new = f"select {columns} from {_STAGING}.{each.table.name} where {these}"
        found = await self._connection.execute(
            _with_texts(
                f"select distinct {each.key}::text from (({live} except {new}) union all"
                f" ({new} except {live})) d",
                "entities",
            ),
            {"entities": list(self._entities)},
        )
        return list(found.scalars())


def _with_texts(statement: str, name: str) -> TextClause:
    return text(statement).bindparams(bindparam(name, type_=ARRAY(Text)))
