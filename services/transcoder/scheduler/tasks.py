"""What dispatching and leases share: the limits, and how the tasks table is asked.

The tasks table is authoritative and messages are hints: a message that is lost, stale or delivered
twice does no harm.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

import msgspec
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.errors import Unavailable

QueueName = Literal["urgent", "bulk"]

# Tasks up to this priority are urgent: they make a video playable, and are short.
URGENT_PRIORITY: Final = 1

# A worker renews its leases every second; a lease not renewed for so long expires.
LEASE_SECONDS: Final = 15.0
# A worker that has not announced itself for so long counts as gone.
WORKER_SECONDS: Final = 10.0
MAX_TRIES: Final = 4
# No task is put off for longer; one that is was put off before the clock was set back.
LONGEST_WAIT_SECONDS: Final = 900.0


class SchedulerUnavailable(Unavailable):
    """The database does not answer."""

    code = "scheduler_unavailable"


class TaskError(msgspec.Struct, frozen=True):
    """Why a try failed: as in ``TranscodeFailed``."""

    code: str
    reason: str
    detail: str | None = None


class TaskTable:
    """Statements on the tasks table. They raise SchedulerUnavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        # Each transaction is one statement: to begin and to commit would be two more.
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def _all(self, statement: Any, **values: Any) -> list[Mapping[str, Any]]:
        async with _available(), self._engine.begin() as connection:
            result = await connection.execute(statement, values)
            return [dict(row) for row in result.mappings()]

    async def _one(self, statement: Any, **values: Any) -> bool:
        async with _available(), self._engine.begin() as connection:
            result = await connection.execute(statement, values)
            return result.rowcount > 0


@asynccontextmanager
async def _available() -> AsyncIterator[None]:
    try:
        yield
    except (DBAPIError, OSError) as error:
        raise SchedulerUnavailable("The tasks table does not answer.") from error
