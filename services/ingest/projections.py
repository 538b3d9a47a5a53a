"""What ingest keeps of other services' events: which source objects are to be deleted."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.domain import source_key
from services.ingest.tables import pending_deletions, uploads
from shared.contracts import UserDeleted, VideoDeleted
from shared.event_store.projections.replay import ReplayedTable
from shared.event_store.store import SequencedEvent

DELETION_CHANNEL: Final = "ingest_doomed"
# What a rebuild lists again is due after this time.
DELAY: Final = timedelta(hours=24)

REPLAYED_TABLES: Final = (ReplayedTable(table=pending_deletions, key="key", compared=()),)
"""What a rebuild replaces."""


class PendingDeletions:
    """VideoDeleted: its source object is listed for deletion. UserDeleted: open uploads expire now.

    These rows are work to do and are gone once it is done, so that they are never folded again.

    The sweep does both, because a bucket takes part in no transaction. ``delay``: between the
    event and the deletion.
    """

    # The name of the checkpoint, the queue and the metrics; it is older than the class's.
    name = "doomed_sources"

    def __init__(self, delay: timedelta = DELAY) -> None:
        self._delay = delay

    async def apply(self, connection: AsyncConnection, events: Sequence[SequencedEvent]) -> None:
        keys = [
            {
                "key": source_key(event.data.video_id),
                "due_at": func.clock_timestamp() + self._delay,
            }
            for event in events
            if isinstance(event.data, VideoDeleted)
        ]
        if keys:
            await connection.execute(
                insert(pending_deletions).values(keys).on_conflict_do_nothing()
            )
            await connection.execute(select(func.pg_notify(DELETION_CHANNEL, "")))
        users = [event.data.user_id for event in events if isinstance(event.data, UserDeleted)]
        if users:
            await connection.execute(
                update(uploads)
                .where(uploads.c.user_id.in_(users), uploads.c.phase == "open")
                .values(
                    # A new epoch: the table refuses further changes by the present writer.
                    epoch=uploads.c.epoch + 1,
                    expires_at=func.clock_timestamp() - timedelta(seconds=1),
                )
            )
