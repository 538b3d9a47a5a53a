"""The marks beside a checkpoint: which version of the projection's fold has applied what."""

from typing import Any

import msgspec
from sqlalchemy import BigInteger, BindParameter, Integer, bindparam, case, column, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.event_store.projections.fold_runs import FoldRun, Range, marked_as, taken_over
from shared.event_store.projections.projection_tables import checkpoints_of


class Marks(msgspec.Struct, frozen=True):
    """``fold`` is the version that applies events now; ``runs`` end at ``position``."""

    position: int
    fold: int
    runs: tuple[FoldRun, ...]


class FoldMarks:
    """The marks of one projection. Whoever changes them has locked its checkpoint."""

    def __init__(self, schema: str, name: str) -> None:
        self._checkpoints = checkpoints_of(schema)
        self._this = self._checkpoints.c.name == name

    async def read(self, connection: AsyncConnection) -> Marks:
        """The present marks. Events that nobody marked belong to no run."""
        row = await self._row(connection)
        return Marks(row.position, row.fold, msgspec.convert(row.folds, tuple[FoldRun, ...]))

    async def take_over(self, connection: AsyncConnection, fold: int) -> None:
        """From now on ``fold`` applies events."""
        row = await self._row(connection)
        runs = msgspec.convert(row.folds, tuple[FoldRun, ...])
        await self._write(
            connection, taken_over(runs, row.folded, row.position, fold), fold, row.position
        )

    def advanced(self, position: int, fold: int) -> dict[str, Any]:
        """What moving the checkpoint sets beside the position.

        The mark stays behind where another version has taken over meanwhile.
        """
        taken = column("fold", Integer) == fold
        return {"folded": case((taken, position), else_=column("folded", BigInteger))}

    async def mark(self, connection: AsyncConnection, part: Range, fold: int) -> None:
        """``fold`` has applied a part of the log again."""
        row = await self._row(connection)
        runs = msgspec.convert(row.folds, tuple[FoldRun, ...])
        after = marked_as(runs, part, row.folded, fold)
        await self._write(connection, after, row.fold, row.folded)

    async def mark_all(self, connection: AsyncConnection, fold: int) -> None:
        """``fold`` has made all rows, up to the checkpoint."""
        row = await self._row(connection)
        await self._write(connection, (FoldRun(0, fold),), fold, row.position)

    async def _row(self, connection: AsyncConnection) -> Any:
        columns = self._checkpoints.c
        found = await connection.execute(
            select(columns.position, columns.fold, columns.folded, columns.folds).where(self._this)
        )
        return found.one()

    async def _write(
        self, connection: AsyncConnection, runs: tuple[FoldRun, ...], fold: int, folded: int
    ) -> None:
        await connection.execute(
            update(self._checkpoints)
            .where(self._this)
            .values(fold=fold, folded=folded, folds=_json(runs))
        )


def _json(runs: tuple[FoldRun, ...]) -> BindParameter[Any]:
    return bindparam("runs", msgspec.to_builtins(runs), JSONB)
