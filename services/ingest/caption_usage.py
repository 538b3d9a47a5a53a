"""Bytes of captions: they count with the video that they belong to, and go with it."""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.tables import stored_lives, stored_sources, stored_sums
from shared.contracts import CaptionsRemoved, CaptionsStored
from shared.event_store.store import SequencedEvent


async def count_captions(connection: AsyncConnection, events: Sequence[SequencedEvent]) -> None:
    """Add to the sizes of sources and of lives what their captions take."""
    sizes: Counter[str] = Counter()
    for recorded in events:
        match recorded.data:
            case CaptionsStored(video_id=video_id, track=track, replaced_bytes=replaced):
                sizes[video_id] += track.object.size - replaced
            case CaptionsRemoved(video_id=video_id, removed_bytes=removed):
                sizes[video_id] -= removed
            case _:
                pass
    for video_id, size in sizes.items():
        await _add(connection, video_id, size)


async def _add(connection: AsyncConnection, video_id: str, size: int) -> None:
    for table in (stored_sources, stored_lives):
        owners = await connection.execute(
            update(table)
            .where(table.c.video_id == video_id)
            .values(size=table.c.size + size)
            .returning(table.c.user_id)
        )
        for owner in owners.scalars():
            values = {"bytes": size, "live_bytes": size if table is stored_lives else 0}
            statement = insert(stored_sums).values({"user_id": owner, "videos": 0, **values})
            await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["user_id"],
                    set_={name: stored_sums.c[name] + statement.excluded[name] for name in values},
                )
            )
