"""Sends webhooks back to events that come into a feed behind others.

An event that was parked gets its row when it is applied at last, at its place in the log. Webhooks
may have passed that place by then.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.catalog.rows import FeedRow
from services.catalog.tables import feed, parked_events, webhooks

# A delivery under way has not read the new rows. It is not saved, because ``next_attempt_at``
# differs; the shortest step changes it, so that pauses stay as they are.
_SEND_BACK: Final = text(
    f"""
    update {webhooks.fullname} webhooks
    set position = least(webhooks.position, late.first - 1),
        next_attempt_at = next_attempt_at + interval '1 microsecond',
        pending_at = clock_timestamp()
    from (
        select id, min(new.position) as first
        from {webhooks.fullname}
        join unnest(
            cast(:users as text[]), cast(:positions as bigint[]), cast(:times as timestamptz[])
        ) new (user_id, position, at) using (user_id)
        where new.at >= created_at and exists (
            select from {feed.fullname} known
            where known.user_id = new.user_id and known.position > new.position
        )
        group by id
    ) late
    where webhooks.id = late.id
    """  # noqa: S608 - names of our own tables
)


class LateRow(NamedTuple):
    """What is to be known of a row of the feed."""

    user_id: str
    position: int
    at: datetime


async def send_back(connection: AsyncConnection, rows: Sequence[FeedRow | LateRow]) -> None:
    """Send the webhooks of these new rows' users back to the first that is behind known ones.

    What came after it is sent again; receivers recognise it. A webhook that was made after an event
    does not get it. Call it before the rows are stored.
    """
    await connection.execute(
        _SEND_BACK,
        {
            "users": [row.user_id for row in rows],
            "positions": [row.position for row in rows],
            "times": [row.at for row in rows],
        },
    )


async def late_after_rebuild(
    connection: AsyncConnection, schema: str, projection: str
) -> Sequence[LateRow]:
    """The rows that a rebuild in ``schema`` has made of parked events."""
    found = await connection.execute(
        text(
            f"select user_id, position, at from {schema}.{feed.name}"  # noqa: S608
            f" join {parked_events.fullname} using (position) where projection = :projection"
        ),
        {"projection": projection},
    )
    return [LateRow(*row) for row in found]
