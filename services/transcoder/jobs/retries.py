"""How often, and how much, an account may have tried again in a day (UTC).

What fails is not counted as minutes of the day: without a limit, one account could have the same
costly video fail for ever.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import BigInteger, ColumnElement, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.transcoder.tables import retries
from shared.days import seconds_until_tomorrow
from shared.errors import CinelogError, Detail, TooManyRequests
from shared.telemetry import get_logger

_log = get_logger(__name__)

_MINUTE_MS: Final = 60_000
_GIVING_BACK_SECONDS: Final = 5.0
_WORDS: Final = {
    "retries_of_video": "This video has been tried again as often as it may be in a day.",
    "retries": "This account has tried videos again as often as it may in a day.",
    "retry_minutes": "This account has tried as many minutes of video again as it may in a day.",
}


class TooManyRetries(TooManyRequests):
    """``details`` say what of the day's retries is used and allowed."""

    code = "too_many_retries"


class RetryLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Of one account in a day. ``of_video``: of one of its videos. ``minutes``: of sources."""

    of_video: int
    retries: int
    minutes: int


class RetriesUsed(msgspec.Struct, frozen=True, kw_only=True):
    """The retries of a video, those of its account, and the milliseconds of their sources."""

    of_video: int
    retries: int
    ms: int


def check_retry(limits: RetryLimits, used: RetriesUsed, now: datetime) -> None:
    """Raises TooManyRetries where another one would be too much.

    A day's last retry may exceed the minutes, because how long a source is may not be known.
    """
    minutes = used.ms // _MINUTE_MS
    pairs = {
        "retries_of_video": (used.of_video, limits.of_video),
        "retries": (used.retries, limits.retries),
        "retry_minutes": (minutes, limits.minutes),
    }
    exceeded = [name for name, (count, allowed) in pairs.items() if count >= allowed]
    if exceeded:
        raise TooManyRetries(
            f"{_WORDS[exceeded[0]]} It can be tried again tomorrow.",
            [Detail(name, "{} used, {} allowed".format(*pairs[name])) for name in exceeded],
            retry_after=seconds_until_tomorrow(now),
        )


class RetryBudget:
    """Counts retries where they are asked for, so that no two requests count alike."""

    def __init__(
        self,
        engine: AsyncEngine,
        limits: RetryLimits,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._clock = clock

    @asynccontextmanager
    async def taken(
        self,
        user_id: str,
        video_id: str,
        source_ms: int,
        begun: Callable[[], Awaitable[bool]],
    ) -> AsyncGenerator[None]:
        """Count a retry of ``source_ms`` milliseconds; not if the body refuses it, and not if the
        body ends with any other error and it has not ``begun``.

        Raises TooManyRetries.
        """
        now = self._clock()
        row: dict[str, Any] = {"day": now.date(), "user_id": user_id, "video_id": video_id}
        async with self._engine.begin() as connection:
            lock = func.hashtextextended(f"retries {user_id}", 0)
            await connection.execute(select(func.pg_advisory_xact_lock(lock)))
            check_retry(self._limits, await _used(connection, row), now)
            added = insert(retries).values(**row, retries=1, ms=source_ms)
            more = {
                "retries": retries.c.retries + added.excluded.retries,
                "ms": retries.c.ms + added.excluded.ms,
            }
            await connection.execute(added.on_conflict_do_update(index_elements=[*row], set_=more))
            await connection.execute(delete(retries).where(retries.c.day < now.date()))
        try:
            yield
        except CinelogError:
            await asyncio.shield(self._give_back(row, source_ms, None))
            raise
        except BaseException:
            # An append may have been written although its answer is lost, or nobody waits for it.
            await asyncio.shield(self._give_back(row, source_ms, begun))
            raise

    async def _give_back(
        self, row: dict[str, Any], source_ms: int, begun: Callable[[], Awaitable[bool]] | None
    ) -> None:
        """Uncount a retry, unless it has begun. Raises nothing: what has failed is told instead."""
        try:
            async with asyncio.timeout(_GIVING_BACK_SECONDS):
                if begun is not None and await begun():
                    return
                async with self._engine.begin() as connection:
                    less = {"retries": retries.c.retries - 1, "ms": retries.c.ms - source_ms}
                    await connection.execute(update(retries).where(*_same(row)).values(less))
        except Exception as error:
            _log.warning("a retry that failed stays counted", **row, error=repr(error))


async def _used(connection: AsyncConnection, row: dict[str, Any]) -> RetriesUsed:
    this_video = retries.c.video_id == row["video_id"]
    found = await connection.execute(
        select(
            func.coalesce(func.sum(retries.c.retries).filter(this_video), 0),
            func.coalesce(func.sum(retries.c.retries), 0),
            func.coalesce(func.sum(retries.c.ms), 0).cast(BigInteger),
        ).where(retries.c.day == row["day"], retries.c.user_id == row["user_id"])
    )
    of_video, count, ms = found.one()
    return RetriesUsed(of_video=of_video, retries=count, ms=ms)


def _same(row: dict[str, Any]) -> list[ColumnElement[bool]]:
    return [retries.c[name] == value for name, value in row.items()]
