"""Transactions on ingest's tables, and rows as uploads."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Row, func
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.ingest.details import Details
from services.ingest.ports import Upload
from services.ingest.tables import uploads
from shared.errors import Unavailable

COLUMNS: Final = (*uploads.c, func.clock_timestamp().label("read_at"))
"""What ``upload_of`` takes."""


class DatabaseUnavailable(Unavailable):
    """The database does not answer. Nothing was acknowledged."""

    code = "database_unavailable"


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Commits on leaving without an error. Raises DatabaseUnavailable."""
    try:
        async with engine.begin() as connection:
            yield connection
    except (OSError, OperationalError, InterfaceError, PoolTimeout) as error:
        raise DatabaseUnavailable("The upload cannot be recorded right now.") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailable("The upload cannot be recorded right now.") from error
        raise


def is_whole() -> ColumnElement[bool]:
    """``Upload.whole`` of a row."""
    return (uploads.c.protocol == "tus") & (uploads.c.received == uploads.c.length)


def upload_of(row: Row[Any]) -> Upload:
    """An upload from its ``COLUMNS``."""
    values = dict(row._mapping)
    del values["wanted"]
    values["details"] = msgspec.convert(values["details"], Details)
    values["joined"] = tuple(values["joined"])
    return Upload(**values)
