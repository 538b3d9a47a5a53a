"""Counted views that are not in the log yet.

``add`` increments a video's counter durably; ``take`` turns counters into batches, which become
events; the projection deletes a batch in the transaction that adds it to the video's row. Each
step is one transaction, so a crash neither loses nor repeats a view.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, delete, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.types import BigInteger, Text

from services.catalog.rows import ViewBatch
from services.catalog.tables import view_batches

_ROUND_SIZE: Final = 200

_ADD = text(
    """
    insert into catalog.pending_views (video_id, count)
    select * from unnest(:ids, :counts) order by 1
    on conflict (video_id) do update set count = pending_views.count + excluded.count
    """
).bindparams(bindparam("ids", type_=ARRAY(Text)), bindparam("counts", type_=ARRAY(BigInteger)))

_BATCH = text(
    """
    with taken as (
        delete from catalog.pending_views where video_id in (
            select video_id from catalog.pending_views
            where since <= clock_timestamp() - make_interval(secs => :age)
            order by since limit :most for update skip locked
        )
        returning video_id, count
    )
    insert into catalog.view_batches (batch_id, video_id, count)
    select gen_random_uuid(), video_id, count from taken
    """
)


class PendingViews:
    """The tables ``pending_views`` and ``view_batches``."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._counts: Counter[str] = Counter()
        self._writing: asyncio.Task[None] | None = None

    async def add(self, video_id: str) -> None:
        """Count one view; returns once it is durable.

        Concurrent calls share one statement, so a popular video costs one row lock per round trip
        and not one per view.
        """
        self._counts[video_id] += 1
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        # A cancelled caller must not cancel the write that other callers wait for.
        await asyncio.shield(self._writing)

    async def take(self, age: float, without: Sequence[str] = ()) -> Sequence[ViewBatch]:
        """Turn counters that are at least ``age`` seconds old into batches; return stored batches.

        These include batches of earlier calls that the projection has not counted yet, but for
        those with the ids ``without``.
        """
        async with self._engine.begin() as connection:
            await connection.execute(_BATCH, {"age": age, "most": _ROUND_SIZE})
            rows = await connection.execute(
                select(view_batches)
                .where(view_batches.c.batch_id.not_in([UUID(each) for each in without]))
                .order_by(view_batches.c.batch_id)
                .limit(2 * _ROUND_SIZE)
            )
            return [
                ViewBatch(str(row["batch_id"]), row["video_id"], row["count"])
                for row in rows.mappings()
            ]

    async def drop(self, batch_id: str) -> None:
        """Delete a batch whose video is deleted."""
        async with self._engine.begin() as connection:
            await connection.execute(
                delete(view_batches).where(view_batches.c.batch_id == UUID(batch_id))
            )

    async def _write(self) -> None:
        # Let concurrent calls of this turn of the event loop join the statement.
        await asyncio.sleep(0)
        counts, self._counts = self._counts, Counter()
        self._writing = None
        async with self._engine.begin() as connection:
            await connection.execute(
                _ADD, {"ids": list(counts.keys()), "counts": list(counts.values())}
            )
