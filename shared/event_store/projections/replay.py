"""Rebuilds the tables of a projection from the log, beside live traffic.

The events are applied to empty tables in a schema of their own, ``<schema>_replay``, with a
checkpoint of its own. Then one transaction locks the live checkpoint, so that the projection waits,
applies the rest, compares the rows and replaces those of the live tables. Events that cannot be
applied are parked, as the projection parks them. A replay logs in as the owner of the tables.
"""

# ruff: noqa: S608 - statements are put together from names of our own tables and columns only

from collections.abc import Callable
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry
from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.errors import Conflict
from shared.event_store.projections.event_applier import EventApplier, Projection
from shared.event_store.projections.fold_marks import FoldMarks
from shared.event_store.projections.projection_metrics import ProjectionMetrics
from shared.event_store.projections.projection_tables import lock_checkpoint
from shared.event_store.projections.refold import Refoldable
from shared.event_store.store import EventStore
from shared.loops.leaders import Leader
from shared.loops.leadership import lock_key

_BATCH: Final = 2000
# Rows that differ are named up to this number of each table.
_SHOWN: Final = 20


class ReplayRunning(Conflict):
    code = "replay_running"


class ReplayedTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table that is folded from the log.

    ``key`` names a row. ``compared``: SQL expressions that must be equal in both tables. ``kept``:
    columns whose live values are kept, because the log does not have them. ``generated``: columns
    that the database fills. ``entity``: the column that names a row's entity, where it has one: its
    rows can be made again without those of others.
    """

    table: Table
    key: str
    compared: tuple[str, ...]
    kept: tuple[str, ...] = ()
    generated: tuple[str, ...] = ()
    entity: str | None = None


class Replayable(msgspec.Struct, frozen=True):
    """A projection, its tables, and who applies its events.

    ``others``: tables that it also writes to, whose live rows stay as they are.
    """

    projection: Projection
    schema: str
    tables: tuple[ReplayedTable, ...]
    leader: Leader
    others: tuple[Table, ...] = ()


class ReplayReport(msgspec.Struct, frozen=True, kw_only=True):
    """``differing``: keys of rows that differed, by table, at most 20 of each."""

    events: int
    swapped: bool
    parked: int
    differing: dict[str, list[str]]


async def end_leadership(connection: AsyncConnection, leader: Leader) -> None:
    """End the session that holds a leader's lock: a replica leads anew within seconds."""
    await connection.execute(
        text(
            "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'"
            " and granted and database = (select oid from pg_database"
            " where datname = current_database())"
            " and (classid::bigint << 32) | objid::bigint = :key"
        ),
        {"key": lock_key(leader.lock)},
    )
    await connection.commit()


class Replay:
    """One rebuild of one projection."""

    def __init__(
        self,
        engine: AsyncEngine,
        store: EventStore,
        what: Replayable,
        *,
        progress: Callable[[int, int], None] = lambda _at, _of: None,
    ) -> None:
        self._engine = engine
        self._store = store
        self._projection = what.projection
        self._schema = what.schema
        self._staging = f"{what.schema}_replay"
        self._tables = what.tables
        self._others = what.others
        self._leader = what.leader
        self._progress = progress
        self._applier = EventApplier(
            engine.execution_options(schema_translate_map={self._schema: self._staging}),
            self._projection,
            self._staging,
            ProjectionMetrics(CollectorRegistry()),
            committed=lambda: None,
        )

    async def run(self, *, swap: bool) -> ReplayReport:
        """Rebuild and compare; with ``swap``, replace the live rows. Raises ReplayRunning."""
        async with self._engine.connect() as guard:
            key = {"key": lock_key(f"replay {self._schema}")}
            taken = await guard.execute(text("select pg_try_advisory_lock(:key)"), key)
            if not taken.scalar_one():
                raise ReplayRunning("Another rebuild is running.")
            # An open transaction would hold back vacuum during the whole rebuild.
            await guard.commit()
            try:
                await self._prepare()
                await self._applier.load()
                await self._catch_up()
                report = await self._finish(swap=swap)
                if swap:
                    # The leader remembers which entities wait; it reads them again at its start.
                    await end_leadership(guard, self._leader)
                return report
            finally:
                await guard.execute(text("select pg_advisory_unlock(:key)"), key)

    async def _prepare(self) -> None:
        names = [each.table.name for each in self._tables] + [each.name for each in self._others]
        async with self._engine.begin() as connection:
            await connection.execute(text(f"drop schema if exists {self._staging} cascade"))
            await connection.execute(text(f"create schema {self._staging}"))
            for name in (*names, "checkpoints", "parked_events"):
                await connection.execute(
                    text(
                        f"create table {self._staging}.{name}"
                        f" (like {self._schema}.{name} including all)"
                    )
                )

    async def _catch_up(self) -> None:
        """Apply the log up to the live checkpoint: what follows is for the live projection."""
        while True:
            async with self._engine.connect() as connection:
                target = await self._live_position(connection)
            self._progress(self._applier.position, target)
            if self._applier.position >= target:
                return
            await self._apply_up_to(target)

    async def _apply_up_to(self, target: int) -> None:
        while (position := self._applier.position) < target:
            events = await self._store.read_all(position, min(_BATCH, target - position))
            await self._applier.apply(events, {})
            self._progress(self._applier.position, target)

    async def _finish(self, *, swap: bool) -> ReplayReport:
        async with self._engine.begin() as connection:
            # From here on the projection waits, and whoever else writes to the tables.
            await lock_checkpoint(connection, self._schema, self._projection.name)
            target = await self._live_position(connection)
            await self._apply_up_to(target)
            for each in self._tables:
                await connection.execute(text(f"lock {each.table.fullname} in exclusive mode"))
            differing = {
                each.table.name: await self._differing(connection, each) for each in self._tables
            }
            parked = await connection.execute(
                text(f"select count(*) from {self._staging}.parked_events")
            )
            if swap:
                for each in self._tables:
                    await self._replace(connection, each)
                await self._replace_parked(connection)
                if isinstance(self._projection, Refoldable):
                    marks = FoldMarks(self._schema, self._projection.name)
                    await marks.mark_all(connection, self._projection.fold)
            await connection.execute(text(f"drop schema {self._staging} cascade"))
            return ReplayReport(
                events=target, swapped=swap, parked=parked.scalar_one(), differing=differing
            )

    async def _live_position(self, connection: AsyncConnection) -> int:
        found = await connection.execute(
            text(f"select position from {self._schema}.checkpoints where name = :name"),
            {"name": self._projection.name},
        )
        return found.scalar_one_or_none() or 0

    async def _differing(self, connection: AsyncConnection, each: ReplayedTable) -> list[str]:
        columns = ", ".join((each.key, *each.compared))
        live = f"select {columns} from {each.table.fullname}"
        new = f"select {columns} from {self._staging}.{each.table.name}"
        found = await connection.execute(
            text(
                f"select distinct {each.key} from (({live} except {new}) union all"
                f" ({new} except {live})) d order by 1 limit {_SHOWN}"
            )
        )
        return list(found.scalars())

    async def _replace(self, connection: AsyncConnection, each: ReplayedTable) -> None:
        live, new = each.table.fullname, f"{self._staging}.{each.table.name}"
        if each.kept:
            values = ", ".join(f"{column} = l.{column}" for column in each.kept)
            await connection.execute(
                text(f"update {new} n set {values} from {live} l where l.{each.key} = n.{each.key}")
            )
        copied = [c.name for c in each.table.columns if c.name not in each.generated]
        columns, order = ", ".join(copied), ", ".join((*each.generated, each.key))
        await connection.execute(text(f"delete from {live}"))
        await connection.execute(
            text(f"insert into {live} ({columns}) select {columns} from {new} order by {order}")
        )

    async def _replace_parked(self, connection: AsyncConnection) -> None:
        parked = f"{self._schema}.parked_events"
        name = {"name": self._projection.name}
        await connection.execute(text(f"delete from {parked} where projection = :name"), name)
        await connection.execute(
            text(f"insert into {parked} select * from {self._staging}.parked_events")
        )
