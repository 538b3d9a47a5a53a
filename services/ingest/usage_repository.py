"""What an account uses, counted where uploads are recorded, so that no two requests count alike."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Select, Text, and_, any_, case, cast, exists, func, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.ingest.deleted_usage import still_stored
from services.ingest.quotas import (
    Addition,
    Quota,
    Quotas,
    Usage,
    check_quota,
    minutes_of,
)
from services.ingest.rows import transaction
from services.ingest.tables import (
    account_roles,
    deleted_bytes,
    planned_days,
    stored_sources,
    stored_sums,
    uploads,
)

# So long a completed upload is counted here: by then the projection has counted its video.
_UNCOUNTED: Final = timedelta(seconds=60)


class Account(msgspec.Struct, frozen=True):
    """What an account uses and what it is allowed."""

    usage: Usage
    quota: Quota


class UsageRepository:
    """Reads what accounts use. ``deleted_for``: how long bytes of deleted videos are stored."""

    def __init__(self, engine: AsyncEngine, quotas: Quotas, deleted_for: timedelta) -> None:
        self._engine = engine
        self._quotas = quotas
        self._deleted_for = deleted_for

    async def account(self, user_id: str) -> Account:
        """Raises DatabaseUnavailable."""
        async with transaction(self._engine) as connection:
            return await self._account(connection, user_id)

    async def check(self, connection: AsyncConnection, user_id: str, adding: Addition) -> None:
        """Raises QuotaExceeded where an account may not add so much.

        Until the transaction of ``connection`` ends, other requests of the account wait here.
        """
        await connection.execute(select(func.pg_advisory_xact_lock(_lock_of(user_id))))
        account = await self._account(connection, user_id)
        check_quota(account.quota, account.usage, adding)

    async def _account(self, connection: AsyncConnection, user_id: str) -> Account:
        role = await connection.scalar(
            select(account_roles.c.role).where(account_roles.c.user_id == user_id)
        )
        stored = (
            await connection.execute(
                select(
                    stored_sums.c.videos,
                    stored_sums.c.bytes,
                    stored_sums.c.lives,
                    stored_sums.c.live_bytes,
                ).where(stored_sums.c.user_id == user_id)
            )
        ).one_or_none() or (0, 0, 0, 0)
        planned, failed = (
            await connection.execute(
                select(planned_days.c.ms, planned_days.c.failed_ms).where(
                    planned_days.c.user_id == user_id,
                    planned_days.c.day == datetime.now(UTC).date(),
                )
            )
        ).one_or_none() or (0, 0)
        quota = self._quotas.of("trusted" if role == "trusted" else "user")
        deleted = await connection.scalar(still_stored(user_id, self._deleted_for))
        under_way = (await connection.execute(_under_way(user_id))).one()
        return Account(
            Usage(
                bytes=int(stored[1] + under_way.bytes),
                videos=stored[0] + under_way.videos,
                open_uploads=under_way.open,
                encode_minutes=minutes_of(planned, failed, quota.encode_minutes),
                lives=stored[2],
                live_bytes=int(stored[3]),
                deleted_bytes=deleted or 0,
            ),
            quota,
        )


def _lock_of(user_id: str) -> Any:
    return func.hashtextextended(user_id, 0)


def _under_way(user_id: str) -> Select[Any, Any, Any]:
    """``bytes``, ``videos`` and ``open`` of the uploads that no video is counted for yet."""
    row = uploads.c
    is_open = row.phase.in_(("open", "completing"))
    # Of a joined upload count the bytes whose parts are gone: the others count as parts.
    part = uploads.alias("part")
    joined = func.coalesce(
        select(func.sum(part.c.received))
        .where(part.c.user_id == user_id, cast(part.c.id, Text) == any_(row.joined))
        .correlate(uploads)
        .scalar_subquery(),
        0,
    )
    is_part = and_(row.partial, row.phase == "completed")
    is_new = and_(
        row.phase == "completed",
        not_(row.partial),
        row.updated_at > func.clock_timestamp() - _UNCOUNTED,
        not_(exists().where(stored_sources.c.video_id == row.id)),
        not_(exists().where(deleted_bytes.c.video_id == row.id)),
    )
    whole = func.greatest(func.coalesce(row.length, 0), row.received)
    size = case((func.cardinality(row.joined) > 0, func.greatest(whole - joined, 0)), else_=whole)
    resumable = row.protocol != "multipart"
    return select(
        func.coalesce(func.sum(size).filter(or_(is_open, is_part, is_new)), 0).label("bytes"),
        func.count().filter(or_(and_(is_open, not_(row.partial)), is_new)).label("videos"),
        func.count().filter(and_(or_(is_open, is_part), resumable)).label("open"),
    ).where(row.user_id == user_id)
