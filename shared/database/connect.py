"""Engines and pools from a ``postgresql://`` URL."""

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from shared.database.metrics import trace_statements


def create_engine(url: str, *, size: int = 5) -> AsyncEngine:
    """A SQLAlchemy engine over asyncpg with at most ``2 * size`` connections."""
    engine = create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://", 1),
        pool_size=size,
        max_overflow=size,
        pool_pre_ping=True,
    )
    trace_statements(engine)
    return engine


async def create_pool(url: str, *, size: int = 5) -> "asyncpg.Pool[asyncpg.Record]":
    """An asyncpg pool for what goes around SQLAlchemy: the append path and LISTEN."""
    return await asyncpg.create_pool(
        url, min_size=0, max_size=size, command_timeout=60, reset=_keep_session
    )


async def _keep_session(_connection: object) -> None:
    """Skip the round trip that resets a session on release: ours are never changed."""
