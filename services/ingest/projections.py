"""What ingest remembers of other services' events: whose source objects must go."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.domain import source_key
from services.ingest.tables import doomed, uploads
from shared.contracts import UserDeleted, VideoDeleted
from shared.event_store.store import SequencedEvent

DOOMED_CHANNEL: Final = "ingest_doomed"


class DoomedSources:
    """VideoDeleted → the source object's key is put down for deletion; UserDeleted → uploads
    under way expire at once. The sweep does the rest: a bucket knows no transactions."""

    name = "doomed_sources"

    async def apply(self, connection: AsyncConnection, events: Sequence[SequencedEvent]) -> None:
        keys = [
            {"key": source_key(event.data.video_id)}
            for event in events
            if isinstance(event.data, VideoDeleted)
        ]
        if keys:
            await connection.execute(insert(doomed).values(keys).on_conflict_do_nothing())
            await connection.execute(select(func.pg_notify(DOOMED_CHANNEL, "")))
        users = [event.data.user_id for event in events if isinstance(event.data, UserDeleted)]
        if users:
            await connection.execute(
                update(uploads)
                .where(uploads.c.user_id.in_(users), uploads.c.phase == "open")
                .values(
                    # A new epoch, so that a writer under way notices.
                    epoch=uploads.c.epoch + 1,
                    expires_at=func.clock_timestamp() - timedelta(seconds=1),
                )
            )
