"""Counted views that are not in the log yet.

A viewer's views of a video count once a day, and those of one address up to a limit. ``add``
increments a video's counter durably; ``take`` turns counters into batches, which become events; the
projection deletes a batch in the transaction that adds it to the video's row. Each step is one
transaction, so a crash neither loses nor repeats a view.
"""

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, delete, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.types import BigInteger, Date, LargeBinary, Text

from services.catalog.rows import ViewBatch
from services.catalog.tables import view_batches
from services.catalog.viewers import View

_ROUND_SIZE: Final = 200

# Sorted, so that two transactions do not wait for each other. A view counts if its viewer is new
# today, and as long as its address has views left.
_ADD = text(
    """
    with seen as (
        select * from unnest(:viewers, :days, :addresses, :videos)
            as seen(viewer, day, address, video_id)
    ), new as (
        insert into catalog.viewers (viewer, day)
        select viewer, day from seen order by 1
        on conflict do nothing returning viewer
    ), fresh as (
        select seen.*, row_number() over (partition by address order by viewer) as place,
            count(*) over (partition by address) as total
        from seen join new using (viewer)
    ), asked as (
        insert into catalog.viewing_addresses (address, day, count)
        select address, min(day), count(*) from fresh group by address order by 1
        on conflict (address) do update set count = viewing_addresses.count + excluded.count
        returning address, count
    ), counted as (
        select fresh.video_id
        from fresh join asked using (address)
        where fresh.place <= :most - (asked.count - fresh.total)
    )
    insert into catalog.pending_views (video_id, count)
    select video_id, count(*) from counted group by video_id order by 1
    on conflict (video_id) do update set count = pending_views.count + excluded.count
    """
).bindparams(
    bindparam("viewers", type_=ARRAY(LargeBinary)),
    bindparam("days", type_=ARRAY(Date)),
    bindparam("addresses", type_=ARRAY(LargeBinary)),
    bindparam("videos", type_=ARRAY(Text)),
    bindparam("most", type_=BigInteger),
)

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

_FORGET = tuple(
    text(
        f"delete from catalog.{table} where {key} in"  # noqa: S608 - names of our own
        f" (select {key} from catalog.{table} where day < (now() at time zone 'utc')::date - 1"
        " limit :most for update skip locked)"
    )
    for table, key in (("viewers", "viewer"), ("viewing_addresses", "address"))
)
_FORGOTTEN_AT_ONCE: Final = 5000
PER_ADDRESS: Final = 1000
"""Views that one address may add in a day, unless the settings say otherwise."""


class PendingViews:
    """The tables ``pending_views`` and ``view_batches``, and who has viewed what today."""

    def __init__(self, engine: AsyncEngine, *, per_address: int = PER_ADDRESS) -> None:
        self._engine = engine
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._per_address = per_address
        self._views: dict[bytes, View] = {}
        self._writing: asyncio.Task[None] | None = None

    async def add(self, view: View) -> None:
        """Count a view, if it counts; returns once it is durable.

        Concurrent calls share one statement, so a popular video costs one row lock per round trip
        and not one per view.
        """
        self._views[view.viewer] = view
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        # A cancelled caller must not cancel the write that other callers wait for.
        await asyncio.shield(self._writing)

    async def take(self, age: float, without: Sequence[str] = ()) -> Sequence[ViewBatch]:
        """Turn counters that are at least ``age`` seconds old into batches; return stored batches.

        These include batches of earlier calls that the projection has not counted yet, but for
        those with the ids ``without``. Hashes of days that have ended everywhere are deleted.
        """
        async with self._engine.begin() as connection:
            for statement in _FORGET:
                await connection.execute(statement, {"most": _FORGOTTEN_AT_ONCE})
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
        views, self._views = self._views, {}
        self._writing = None
        seen = views.values()
        # One statement is a transaction of its own, and one round trip.
        async with self._autocommit.connect() as connection:
            await connection.execute(
                _ADD,
                {
                    "viewers": list(views),
                    "days": [view.day for view in seen],
                    "addresses": [view.address for view in seen],
                    "videos": [view.video_id for view in seen],
                    "most": self._per_address,
                },
            )
