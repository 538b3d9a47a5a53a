"""Tables of chats: settings, bans, and who has written where."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from services.live.rows import transaction
from services.live.tables import chat_authors, chat_bans, chats, sessions

_FOR_GOOD: Final = ""

State = Literal["open", "kept", "over"]
"""open: in Redis. kept: its replay is in the bucket. over: nothing of it is left."""


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """A session and its chat. ``phase`` is the session's; ``writable``: the owner lets viewers
    write; ``state`` is None before anything was written or set."""

    video_id: str
    live_id: str
    user_id: str
    phase: str
    writable: bool = True
    slow_seconds: int = 0
    state: State | None = None


class Ban(msgspec.Struct, frozen=True, kw_only=True):
    """``for_good``: in all lives of the owner."""

    user_id: str
    username: str
    for_good: bool
    created_at: datetime


class RoomsRepository:
    """SQL of chats."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def rooms(self, video_ids: Sequence[str]) -> dict[str, Room]:
        """Those of these videos that are lives. Where none is asked for, the database is not."""
        if not video_ids:
            return {}
        rows = await self._read(_select().where(sessions.c.video_id.in_(video_ids)))
        return {row["video_id"]: _room(row) for row in rows}

    async def is_banned(self, room: Room, user_id: str) -> bool:
        bans = chat_bans.c
        found = await self._read(
            select(bans.user_id).where(
                bans.owner_id == room.user_id,
                bans.user_id == user_id,
                bans.scope.in_((_FOR_GOOD, room.video_id)),
            )
        )
        return bool(found)

    async def note_author(self, room: Room, user_id: str) -> None:
        """Remember, before a message is added, that its author has to be found here."""
        async with transaction(self._engine) as connection:
            await connection.execute(_new_chat(room))
            author = insert(chat_authors).values(video_id=room.video_id, user_id=user_id)
            await connection.execute(author.on_conflict_do_nothing())

    async def change(self, room: Room, *, writable: bool, slow_seconds: int) -> None:
        async with transaction(self._engine) as connection:
            await connection.execute(_new_chat(room))
            await connection.execute(
                update(chats)
                .where(chats.c.video_id == room.video_id)
                .values(writable=writable, slow_seconds=slow_seconds)
            )

    async def ban(self, room: Room, user_id: str, username: str, *, for_good: bool) -> None:
        values = {
            "owner_id": room.user_id,
            "user_id": user_id,
            "scope": _FOR_GOOD if for_good else room.video_id,
            "username": username,
        }
        async with transaction(self._engine) as connection:
            await connection.execute(insert(chat_bans).values(values).on_conflict_do_nothing())

    async def unban(self, room: Room, user_id: str) -> None:
        bans = chat_bans.c
        await self._execute(
            delete(chat_bans).where(
                bans.owner_id == room.user_id,
                bans.user_id == user_id,
                bans.scope.in_((_FOR_GOOD, room.video_id)),
            )
        )

    async def bans(self, room: Room, most: int) -> list[Ban]:
        """Whoever may not write here, the newest first."""
        bans = chat_bans.c
        rows = await self._read(
            select(chat_bans)
            .where(bans.owner_id == room.user_id, bans.scope.in_((_FOR_GOOD, room.video_id)))
            .order_by(bans.created_at.desc())
            .limit(most)
        )
        return [
            Ban(
                user_id=row["user_id"],
                username=row["username"],
                for_good=row["scope"] == _FOR_GOOD,
                created_at=row["created_at"],
            )
            for row in rows
        ]

    async def wrote(self, room: Room, user_id: str) -> bool:
        """Whether this user has written here."""
        authors = chat_authors.c
        found = await self._read(
            select(authors.user_id).where(
                authors.video_id == room.video_id, authors.user_id == user_id
            )
        )
        return bool(found)

    async def ended(self, most: int, without: Sequence[str]) -> list[Room]:
        """Chats in Redis whose live is over and recorded."""
        rows = await self._read(
            _select()
            .where(
                chats.c.state == "open",
                sessions.c.phase == "closed",
                chats.c.video_id.not_in(without),
            )
            .limit(most)
        )
        return [_room(row) for row in rows]

    async def kept(self, after: str, most: int) -> list[Room]:
        """A page of chats that have a replay, after an id."""
        later = [chats.c.video_id > after] if after else []
        rows = await self._read(
            _select().where(chats.c.state == "kept", *later).order_by(chats.c.video_id).limit(most)
        )
        return [_room(row) for row in rows]

    async def set_state(self, video_id: str, state: State) -> None:
        await self._execute(update(chats).where(chats.c.video_id == video_id).values(state=state))

    async def forget(self, video_id: str) -> None:
        """Nothing is left of a chat: not who has written in it, nor who was banned from it."""
        async with transaction(self._engine) as connection:
            await connection.execute(
                update(chats).where(chats.c.video_id == video_id).values(state="over")
            )
            await connection.execute(
                delete(chat_authors).where(chat_authors.c.video_id == video_id)
            )
            await connection.execute(delete(chat_bans).where(chat_bans.c.scope == video_id))

    async def authors(self, after: str, most: int) -> list[str]:
        """A page of users who have written, after one of them."""
        users = chat_authors.c.user_id
        rows = await self._read(
            select(users).where(users > after).distinct().order_by(users).limit(most)
        )
        return [row["user_id"] for row in rows]

    async def written_in(self, user_id: str) -> list[Room]:
        """The chats in which a user has written."""
        rows = await self._read(
            _select()
            .join(chat_authors, chat_authors.c.video_id == sessions.c.video_id)
            .where(chat_authors.c.user_id == user_id)
        )
        return [_room(row) for row in rows]

    async def forget_user(self, user_id: str) -> None:
        bans = chat_bans.c
        async with transaction(self._engine) as connection:
            await connection.execute(delete(chat_authors).where(chat_authors.c.user_id == user_id))
            await connection.execute(
                delete(chat_bans).where(or_(bans.user_id == user_id, bans.owner_id == user_id))
            )

    async def _read(self, statement: Any) -> Sequence[Any]:
        async with transaction(self._engine) as connection:
            return (await connection.execute(statement)).mappings().all()

    async def _execute(self, statement: Any) -> None:
        async with transaction(self._engine) as connection:
            await connection.execute(statement)


def _select() -> Any:
    columns = (
        *(sessions.c[name] for name in ("video_id", "live_id", "user_id", "phase")),
        *(chats.c[name] for name in ("writable", "slow_seconds", "state")),
    )
    return select(*columns).select_from(
        sessions.outerjoin(chats, chats.c.video_id == sessions.c.video_id)
    )


def _room(row: Any) -> Room:
    return Room(**{name: value for name, value in row.items() if value is not None})


def _new_chat(room: Room) -> Any:
    values = {"video_id": room.video_id, "user_id": room.user_id}
    return insert(chats).values(values).on_conflict_do_nothing()
