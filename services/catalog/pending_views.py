"""Views on their way into the log: counted durably at once, written as events in batches.

A counter collects a video's views; ``take`` turns counters into batches; a batch goes when the
projection has counted it (see ``projections``). Each step is one transaction, so that the sum
that people see is right whenever a process dies.
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

from services.catalog.read_model.rows import ViewBatch
from services.catalog.tables import view_batches

_TAKE: Final = 200

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
        self._waiting: Counter[str] = Counter()
        self._written: asyncio.Task[None] | None = None

    async def add(self, video_id: str) -> None:
        """Count one view; returns once it is durable.

        Calls that wait at the same time share one statement, so that a popular video costs one
        row lock per round trip and not one per view.
        """
        self._waiting[video_id] += 1
        if self._written is None:
            self._written = asyncio.create_task(self._write())
        # A caller that leaves must not undo what others wait for.
        await asyncio.shield(self._written)

    async def take(self, age: float) -> Sequence[ViewBatch]:
        """Turn counters that began ``age`` seconds ago or more into batches; all batches there are.

        Batches of an earlier call that are not in the log yet are among them.
        """
        async with self._engine.begin() as connection:
            await connection.execute(_BATCH, {"age": age, "most": _TAKE})
            rows = await connection.execute(
                select(view_batches).order_by(view_batches.c.batch_id).limit(2 * _TAKE)
            )
            return [
                ViewBatch(str(row["batch_id"]), row["video_id"], row["count"])
                for row in rows.mappings()
            ]

    async def drop(self, batch_id: str) -> None:
        """Forget a batch whose video is gone."""
        async with self._engine.begin() as connection:
            await connection.execute(
                delete(view_batches).where(view_batches.c.batch_id == UUID(batch_id))
            )

    async def _write(self) -> None:
        # One turn of the event loop: whoever calls in this very moment takes part.
        await asyncio.sleep(0)
        counts, self._waiting = self._waiting, Counter()
        self._written = None
        async with self._engine.begin() as connection:
            await connection.execute(
                _ADD, {"ids": list(counts.keys()), "counts": list(counts.values())}
            )
