"""Accounts, the lock on one of them, and the events that are on their way to the log."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, Select, Uuid, any_, delete, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.auth.domain import UserNotFound, email_key
from services.auth.names import RULES, skeletons
from services.auth.ports import (
    Account,
    EmailTaken,
    PendingEvents,
    UsernameTaken,
)
from services.auth.session_repository import end_sessions
from services.auth.tables import (
    accounts,
    pending_events,
    registrations,
    sessions,
    username_skeletons,
)
from shared.contracts import Visibility, decode
from shared.errors import Detail
from shared.event_store.store import Metadata, NewEvent
from shared.text_rules import username_key

# Users per round of the outbox.
_USERS = 200

_ACCOUNT = (
    accounts.c.user_id,
    accounts.c.username,
    accounts.c.email,
    accounts.c.password_hash,
    accounts.c.created_at,
    accounts.c.default_visibility,
)


class AccountsRepository:
    """Implements ``Accounts``, ``Registrations`` and ``EventOutboxTable``."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def ping(self) -> None:
        """Return if the database answers (a readiness check)."""
        async with self._engine.connect() as connection:
            await connection.execute(select(1))

    async def register(
        self, account: Account, key_hash: bytes | None, pending: PendingEvents
    ) -> None:
        now = account.created_at
        async with self._engine.begin() as connection:
            added = await connection.execute(
                upsert(accounts)
                .values(
                    **msgspec.structs.asdict(account),
                    username_key=username_key(account.username),
                    email_key=email_key(account.email),
                    updated_at=now,
                )
                .on_conflict_do_nothing()
                .returning(accounts.c.user_id)
            )
            if added.first() is None:
                await _raise_taken(connection, account)
            await _keep_look(connection, account)
            if key_hash is not None:
                await connection.execute(
                    upsert(registrations)
                    .values(key_hash=key_hash, user_id=account.user_id, created_at=now)
                    .on_conflict_do_nothing()
                )
            await _add_pending(connection, pending, now)

    async def index_looks(self, most: int) -> int:
        """Keep the skeletons of accounts that have none by today's rules; returns their number."""
        async with self._engine.begin() as connection:
            known = select(username_skeletons.c.user_id).where(username_skeletons.c.rules == RULES)
            rows = await connection.execute(
                select(accounts.c.user_id, accounts.c.username)
                .where(accounts.c.user_id.not_in(known))
                .limit(most)
                .with_for_update(skip_locked=True)
            )
            found = [(row.user_id, row.username) for row in rows]
            for user_id, username in found:
                await _add_look(connection, user_id, skeletons(username))
        return len(found)

    async def registered_with(self, key_hash: bytes) -> Account | None:
        return await self._one(
            select(*_ACCOUNT).join(registrations).where(registrations.c.key_hash == key_hash)
        )

    async def find(self, user_id: str) -> Account | None:
        return await self._one(select(*_ACCOUNT).where(accounts.c.user_id == user_id))

    async def find_by_username(self, username: str) -> Account | None:
        return await self._one(
            select(*_ACCOUNT).where(accounts.c.username_key == username_key(username))
        )

    async def replace_hash(self, user_id: str, old: str, new: str) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(
                update(accounts)
                .where(accounts.c.user_id == user_id, accounts.c.password_hash == old)
                .values(password_hash=new)
            )

    @asynccontextmanager
    async def locked(self, user_id: str) -> AsyncGenerator["LockedAccountRow"]:
        async with self._engine.begin() as connection:
            row = (
                await connection.execute(
                    select(*_ACCOUNT).where(accounts.c.user_id == user_id).with_for_update()
                )
            ).first()
            if row is None:
                raise UserNotFound("There is no such user.")
            yield LockedAccountRow(connection, _account(row))

    async def users(self, without: Sequence[str]) -> list[str]:
        async with self._engine.connect() as connection:
            found = await connection.execute(
                select(pending_events.c.user_id)
                .where(pending_events.c.user_id.not_in(without))
                .distinct()
                .limit(_USERS)
            )
            return list(found.scalars())

    async def pending(self, user_id: str) -> list[PendingEvents]:
        async with self._engine.connect() as connection:
            return await _pending(connection, user_id)

    async def remove_pending(self, pending: PendingEvents) -> None:
        async with self._engine.begin() as connection:
            await _remove_pending(connection, pending)

    async def _one(self, query: Select[*tuple[Any, ...]]) -> Account | None:
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else _account(row)


class LockedAccountRow:
    """Implements ``LockedAccount``, in the transaction that holds the lock."""

    def __init__(self, connection: AsyncConnection, account: Account) -> None:
        self._connection = connection
        self.account = account

    async def set_email(self, email: str, now: datetime) -> None:
        try:
            await self._update(email=email, email_key=email_key(email), updated_at=now)
        except IntegrityError:
            raise _email_taken() from None

    async def set_default_visibility(self, visibility: Visibility, now: datetime) -> None:
        await self._update(default_visibility=visibility, updated_at=now)

    async def set_password(self, password_hash: str, now: datetime) -> None:
        await self._update(password_hash=password_hash, updated_at=now)

    async def session_ids(self) -> tuple[str, ...]:
        rows = await self._connection.execute(
            select(sessions.c.session_id).where(sessions.c.user_id == self.account.user_id)
        )
        return tuple(rows.scalars())

    async def end_sessions(self, session_ids: Sequence[str], now: datetime) -> None:
        await end_sessions(self._connection, self.account.user_id, session_ids, now)

    async def erase(self, now: datetime) -> None:
        await self.end_sessions(await self.session_ids(), now)
        await self._connection.execute(
            delete(accounts).where(accounts.c.user_id == self.account.user_id)
        )

    async def add_pending(self, pending: PendingEvents, now: datetime) -> None:
        await _add_pending(self._connection, pending, now)

    async def pending(self) -> list[PendingEvents]:
        return await _pending(self._connection, self.account.user_id)

    async def remove_pending(self, pending: PendingEvents) -> None:
        await _remove_pending(self._connection, pending)

    async def _update(self, **values: Any) -> None:
        await self._connection.execute(
            update(accounts).where(accounts.c.user_id == self.account.user_id).values(**values)
        )


async def _add_pending(connection: AsyncConnection, pending: PendingEvents, now: datetime) -> None:
    await connection.execute(
        insert(pending_events),
        [
            {
                "event_id": event.event_id,
                "user_id": pending.user_id,
                "expected_version": pending.expected_version,
                "place": place,
                "type": type(event.data).__name__,
                "data": msgspec.to_builtins(event.data),
                "metadata": msgspec.to_builtins(pending.metadata),
                "created_at": now,
            }
            for place, event in enumerate(pending.events)
        ],
    )


async def _pending(connection: AsyncConnection, user_id: str) -> list[PendingEvents]:
    query = (
        select(pending_events)
        .where(pending_events.c.user_id == user_id)
        .order_by(pending_events.c.expected_version, pending_events.c.place)
    )
    batches: dict[tuple[str, int], list[Row[*tuple[Any, ...]]]] = {}
    for row in await connection.execute(query):
        batches.setdefault((row.user_id, row.expected_version), []).append(row)
    return [
        PendingEvents(
            user_id=owner,
            expected_version=version,
            events=tuple(_new_event(row) for row in rows),
            metadata=msgspec.convert(rows[0].metadata, Metadata),
        )
        for (owner, version), rows in batches.items()
    ]


async def _remove_pending(connection: AsyncConnection, pending: PendingEvents) -> None:
    ids = [event.event_id for event in pending.events]
    # One array: a statement has 32767 parameters at most.
    await connection.execute(
        delete(pending_events).where(pending_events.c.event_id == any_(literal(ids, ARRAY(Uuid))))
    )


async def _raise_taken(connection: AsyncConnection, account: Account) -> None:
    taken = await connection.execute(
        select(accounts.c.user_id).where(accounts.c.username_key == username_key(account.username))
    )
    if taken.first() is None:
        raise _email_taken()
    raise UsernameTaken(
        "This username is taken.", [Detail("username", "is taken; choose another one")]
    )


async def _keep_look(connection: AsyncConnection, account: Account) -> None:
    """Raises UsernameTaken where the name looks like that of another account.

    The locks make names that look alike wait for each other.
    """
    looks = sorted(skeletons(account.username))
    for look in looks:
        key = func.hashtextextended(look, 0)
        await connection.execute(select(func.pg_advisory_xact_lock(key)))
    taken = await connection.execute(
        select(username_skeletons.c.user_id).where(username_skeletons.c.skeleton.in_(looks))
    )
    if taken.first() is not None:
        raise UsernameTaken(
            "This username looks like another one.",
            [Detail("username", "looks like the name of another account; choose another one")],
        )
    await _add_look(connection, account.user_id, looks)


async def _add_look(connection: AsyncConnection, user_id: str, looks: Iterable[str]) -> None:
    await connection.execute(
        upsert(username_skeletons)
        .values([{"skeleton": look, "user_id": user_id, "rules": RULES} for look in looks])
        .on_conflict_do_update(index_elements=["skeleton", "user_id"], set_={"rules": RULES})
    )


def _email_taken() -> EmailTaken:
    return EmailTaken(
        "This e-mail address is in use.", [Detail("email", "belongs to another account")]
    )


def _account(row: Row[*tuple[Any, ...]]) -> Account:
    return Account(
        user_id=row.user_id,
        username=row.username,
        email=row.email,
        password_hash=row.password_hash,
        created_at=row.created_at,
        default_visibility=row.default_visibility,
    )


def _new_event(row: Row[*tuple[Any, ...]]) -> NewEvent:
    return NewEvent(decode(row.type, msgspec.json.encode(row.data)), row.event_id)
