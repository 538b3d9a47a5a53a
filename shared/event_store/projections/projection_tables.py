"""The tables ``checkpoints`` and ``parked_events`` of any service's schema."""

from typing import Final

from sqlalchemy import TableClause, column, select, table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts import entity_of

# Classes of SQLSTATE that an event cannot cause: a lost connection, a deadlock, a full disk, a lock
# that was not available, a shutdown, an I/O error.
_TRANSIENT: Final = ("08", "40", "53", "55", "57", "58")


def checkpoints_of(schema: str) -> TableClause:
    """The positions of a service's projections."""
    return table(
        "checkpoints",
        column("name"),
        column("position"),
        column("fold"),
        column("folded"),
        column("folds", JSONB),
        schema=schema,
    )


def parked_of(schema: str) -> TableClause:
    """The events that they could not apply."""
    return table(
        "parked_events",
        column("projection"),
        column("position"),
        column("stream_id"),
        column("reason"),
        column("parked_at"),
        schema=schema,
    )


async def lock_checkpoint(connection: AsyncConnection, schema: str, projection: str) -> None:
    """Lock the checkpoint, so that the projection waits until this transaction ends.

    Every writer of a projection's tables takes this lock before any row, which avoids deadlocks.
    """
    checkpoints = checkpoints_of(schema)
    await connection.execute(
        select(checkpoints.c.position)
        .where(checkpoints.c.name == projection)
        .with_for_update(key_share=True)
    )


def partition(stream_id: str) -> str:
    """The entity of a stream. Events of one entity wait together: they depend on each other."""
    return entity_of(stream_id) or stream_id


UNREADABLE: Final = "this version cannot decode the event: "
"""How the reason begins for which such an event is parked: an upgrade may be able to decode it."""


BEHIND: Final = "an earlier event of this entity is parked"
"""The reason of an event that waits behind another."""

PARKED_CAUSES: Final[tuple[str, ...]] = ("unreadable", "failed", "behind")


def cause_of(reason: str) -> str:
    """Which of ``PARKED_CAUSES`` a reason says."""
    if reason.startswith(UNREADABLE):
        return "unreadable"
    return "behind" if reason == BEHIND else "failed"


def reason_of(error: Exception) -> str:
    """The text that is stored as the reason for parking."""
    return f"{type(error).__name__}: {error}"[:2000]


def is_transient(error: Exception) -> bool:
    """Whether applying the same event again may succeed."""
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        broken = error.connection_invalidated or isinstance(error, InterfaceError)
        return broken or state.startswith(_TRANSIENT)
    return isinstance(error, OSError)
