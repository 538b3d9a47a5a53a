"""Accounts and sessions that are over in the log, and are in the tables all the same.

Only a restore makes them: a dump is older than the log that the archive completes.
"""

from typing import Final

import msgspec
from sqlalchemy import and_, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.auth.tables import accounts, sessions
from shared.contracts import SessionRevoked, UserDeleted, stream_id
from shared.event_store.tables import events

_SESSION: Final = events.c.data["session_id"].astext


class Over(msgspec.Struct, frozen=True):
    """What is over of an account that has a row: the account itself, or some of its sessions."""

    user_id: str
    deleted: bool
    sessions: tuple[str, ...]


class RestoredRows:
    """Finds them; changes nothing."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def over(self, after: str, most: int) -> tuple[list[Over], str | None]:
        """Looks at the ``most`` accounts after one; also the last of them, None at the end."""
        some = select(accounts.c.user_id).where(accounts.c.user_id > after)
        async with self._engine.connect() as connection:
            found = await connection.execute(some.order_by(accounts.c.user_id).limit(most))
            users = {stream_id("user", user): user for user in found.scalars()}
            ended = await connection.execute(
                select(events.c.stream_id, events.c.type, _SESSION).where(
                    events.c.stream_id.in_(users),
                    or_(
                        events.c.type == UserDeleted.__name__,
                        and_(
                            events.c.type == SessionRevoked.__name__,
                            exists().where(sessions.c.session_id == _SESSION),
                        ),
                    ),
                )
            )
            deleted: set[str] = set()
            revoked: dict[str, list[str]] = {}
            for stream, kind, session in ended:
                if kind == UserDeleted.__name__:
                    deleted.add(users[stream])
                else:
                    revoked.setdefault(users[stream], []).append(session)
        last = list(users.values())[-1] if len(users) == most else None
        return [
            Over(user, user in deleted, tuple(revoked.get(user, ())))
            for user in sorted(deleted | revoked.keys())
        ], last
