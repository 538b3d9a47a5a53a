"""Transactions on live's tables."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.errors import Unavailable


class DatabaseUnavailable(Unavailable):
    """The database does not answer."""

    code = "database_unavailable"

    def __init__(self) -> None:
        super().__init__("Live streams cannot be read or changed right now.")


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Commits on leaving without an error. Raises DatabaseUnavailable."""
    try:
        async with engine.begin() as connection:
            yield connection
    except (OSError, OperationalError, InterfaceError, PoolTimeout) as error:
        raise DatabaseUnavailable from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailable from error
        raise


async def lock_user(connection: AsyncConnection, user_id: str) -> None:
    """Until the transaction ends, other changes that are counted for this user wait here."""
    key = func.hashtextextended(user_id, 0)
    await connection.execute(select(func.pg_advisory_xact_lock(key)))
