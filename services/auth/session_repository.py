"""Sessions and refresh tokens in auth's tables."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import (
    DateTime,
    LargeBinary,
    Row,
    Text,
    any_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.auth.domain import PresentedToken
from services.auth.ports import Refreshed, Session
from services.auth.tables import accounts, ended_sessions, refresh_tokens, registrations, sessions

# The session is locked before its token, as where it is ended. Who waited for the lock finds the
# token used: an update looks at the newest version of a row, whatever was selected before.
_EXCHANGE: Final = text(
    """
    with opened as (
        select s.session_id, s.user_id, a.username
        from auth.refresh_tokens t
        join auth.sessions s on s.session_id = t.session_id
        join auth.accounts a on a.user_id = s.user_id
        where t.token_hash = :token and t.used_at is null and t.expires_at > :now
            and s.expires_at > :now
        for update of s
    ), used as (
        update auth.refresh_tokens t set used_at = :now, siblings = 1
        from opened
        where t.token_hash = :token and t.used_at is null
        returning opened.*
    ), stored as (
        insert into auth.refresh_tokens (token_hash, session_id, expires_at, siblings)
        select :successor, session_id, :expires_at, 0 from used
    ), kept as (
        update auth.sessions s set last_used_at = :now, expires_at = :expires_at
        from used where s.session_id = used.session_id
    )
    select session_id, user_id, username from used
    """
).bindparams(
    bindparam("token", type_=LargeBinary),
    bindparam("successor", type_=LargeBinary),
    bindparam("now", type_=DateTime(timezone=True)),
    bindparam("expires_at", type_=DateTime(timezone=True)),
)


class SessionRepository:
    """Implements ``Sessions``, and finds ended sessions and expired rows."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        # For single statements, which are transactions of their own.
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def open_session(
        self, session: Session, password_hash: str, token_hash: bytes, token_expires_at: datetime
    ) -> bool:
        # FOR SHARE: a password change waits for this transaction, or it is seen here.
        unchanged = (
            select(accounts.c.user_id)
            .where(
                accounts.c.user_id == session.user_id,
                accounts.c.password_hash == password_hash,
            )
            .with_for_update(read=True)
        )
        async with self._engine.begin() as connection:
            if (await connection.execute(unchanged)).first() is None:
                return False
            await connection.execute(insert(sessions).values(msgspec.structs.asdict(session)))
            await _add_token(connection, token_hash, session.session_id, token_expires_at)
        return True

    async def sessions_of(self, user_id: str, now: datetime) -> list[Session]:
        query = (
            select(sessions)
            .where(sessions.c.user_id == user_id, sessions.c.expires_at > now)
            .order_by(sessions.c.last_used_at.desc(), sessions.c.session_id)
        )
        async with self._engine.connect() as connection:
            return [_session(row) for row in await connection.execute(query)]

    async def least_used(self, user_id: str, but: int, most: int) -> list[str]:
        own = sessions.c.user_id == user_id
        kept = (
            select(sessions.c.session_id)
            .where(own)
            .order_by(sessions.c.last_used_at.desc(), sessions.c.session_id.desc())
            .limit(but)
        )
        query = (
            select(sessions.c.session_id)
            .where(own, sessions.c.session_id.not_in(kept))
            .order_by(sessions.c.last_used_at, sessions.c.session_id)
            .limit(most)
        )
        async with self._engine.connect() as connection:
            return list((await connection.execute(query)).scalars())

    async def is_alive(self, session_id: str, user_id: str, now: datetime) -> bool:
        query = select(1).where(
            sessions.c.session_id == session_id,
            sessions.c.user_id == user_id,
            sessions.c.expires_at > now,
        )
        async with self._engine.connect() as connection:
            return (await connection.execute(query)).first() is not None

    async def opened_at(self, session_id: str) -> datetime | None:
        query = select(sessions.c.created_at).where(sessions.c.session_id == session_id)
        async with self._engine.connect() as connection:
            return (await connection.execute(query)).scalar()

    async def exchange(
        self, token_hash: bytes, successor: bytes, expires_at: datetime, now: datetime
    ) -> Refreshed | None:
        values = {
            "token": token_hash,
            "successor": successor,
            "now": now,
            "expires_at": expires_at,
        }
        async with self._autocommit.connect() as connection:
            row = (await connection.execute(_EXCHANGE, values)).first()
        return None if row is None else Refreshed(row.session_id, row.user_id, row.username)

    @asynccontextmanager
    async def locked_token(self, token_hash: bytes) -> AsyncGenerator["LockedTokenRow | None"]:
        query = (
            select(sessions, accounts.c.username)
            .join(accounts)
            .join(refresh_tokens, refresh_tokens.c.session_id == sessions.c.session_id)
            .where(refresh_tokens.c.token_hash == token_hash)
            .with_for_update(of=sessions)
        )
        async with self._engine.begin() as connection:
            row = (await connection.execute(query)).first()
            if row is None:
                yield None
                return
            # Read after the session is locked: another refresh may just have used the token.
            token = (
                await connection.execute(
                    select(refresh_tokens).where(refresh_tokens.c.token_hash == token_hash)
                )
            ).first()
            yield None if token is None else LockedTokenRow(connection, row, token)

    async def revoked_since(self, since: datetime, limit: int) -> list[str]:
        """Sessions that ended after ``since``: the latest ``limit``, newest first."""
        query = (
            select(ended_sessions.c.session_id)
            .where(ended_sessions.c.ended_at > since)
            .order_by(ended_sessions.c.ended_at.desc(), ended_sessions.c.session_id)
            .limit(limit)
        )
        async with self._engine.connect() as connection:
            return list((await connection.execute(query)).scalars())

    async def purge(self, now: datetime, ended_before: datetime, keys_before: datetime) -> None:
        """Delete expired sessions and tokens, old revocations and idempotency keys."""
        async with self._engine.begin() as connection:
            await connection.execute(
                delete(refresh_tokens).where(refresh_tokens.c.expires_at <= now)
            )
            await connection.execute(delete(sessions).where(sessions.c.expires_at <= now))
            await connection.execute(
                delete(ended_sessions).where(ended_sessions.c.ended_at <= ended_before)
            )
            await connection.execute(
                delete(registrations).where(registrations.c.created_at <= keys_before)
            )


class LockedTokenRow:
    """Implements ``LockedToken``, in the transaction that locks the session."""

    def __init__(self, connection: AsyncConnection, session: Row[Any], token: Row[Any]) -> None:
        self._connection = connection
        self._token_hash: bytes = token.token_hash
        self.session = _session(session)
        self.username: str = session.username
        self.token = PresentedToken(
            expires_at=min(token.expires_at, self.session.expires_at),
            used_at=token.used_at,
        )

    async def rotate(self, successor: bytes, expires_at: datetime, now: datetime) -> None:
        await self._connection.execute(
            update(refresh_tokens)
            .where(refresh_tokens.c.token_hash == self._token_hash)
            .values(used_at=now, siblings=1)
        )
        await _add_token(self._connection, successor, self.session.session_id, expires_at)
        await self._connection.execute(
            update(sessions)
            .where(sessions.c.session_id == self.session.session_id)
            .values(last_used_at=now, expires_at=expires_at)
        )

    async def unused(self, token_hash: bytes) -> bool | None:
        found = await self._connection.execute(
            select(refresh_tokens.c.used_at).where(
                refresh_tokens.c.token_hash == token_hash,
                refresh_tokens.c.session_id == self.session.session_id,
            )
        )
        row = found.first()
        return None if row is None else row.used_at is None


async def end_sessions(
    connection: AsyncConnection, user_id: str, session_ids: Sequence[str], now: datetime
) -> None:
    """Delete sessions with their tokens, and keep their ids as revoked."""
    if not session_ids:
        return
    # One array: a statement has 32767 parameters at most, and an account may have more sessions.
    ids = literal(list(session_ids), ARRAY(Text))
    await connection.execute(
        delete(sessions).where(sessions.c.user_id == user_id, sessions.c.session_id == any_(ids))
    )
    await connection.execute(
        upsert(ended_sessions)
        .from_select(["session_id", "ended_at"], select(func.unnest(ids), literal(now)))
        .on_conflict_do_nothing()
    )


async def _add_token(
    connection: AsyncConnection, token_hash: bytes, session_id: str, expires_at: datetime
) -> None:
    await connection.execute(
        insert(refresh_tokens).values(
            token_hash=token_hash, session_id=session_id, expires_at=expires_at, siblings=0
        )
    )


def _session(row: Row[Any]) -> Session:
    return Session(
        session_id=row.session_id,
        user_id=row.user_id,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
        user_agent=row.user_agent,
    )
