"""Which errors mean that something outside the process does not answer, rather than a bug."""

from typing import Final

from shared.errors import Unavailable

# By name, so that a process without a database does not load its driver to serve errors.
_OUTAGES: Final = frozenset(
    {
        "asyncpg.exceptions.IdleInTransactionSessionTimeoutError",
        "asyncpg.exceptions.InsufficientResourcesError",
        "asyncpg.exceptions.OperatorInterventionError",
        "asyncpg.exceptions.PostgresConnectionError",
        "asyncpg.exceptions.PostgresSystemError",
        "asyncpg.exceptions.TooManyConnectionsError",
        "asyncpg.exceptions._base.InterfaceError",
        "redis.exceptions.ConnectionError",
        "redis.exceptions.TimeoutError",
        "sqlalchemy.exc.InterfaceError",
        "sqlalchemy.exc.OperationalError",
        "sqlalchemy.exc.TimeoutError",
    }
)

# A statement that the driver refuses to send by an InterfaceError; no other try makes it right.
_TOO_MANY_ARGUMENTS: Final = "the number of query arguments cannot exceed"


def is_outage(error: BaseException) -> bool:
    """Whether an error means that a dependency does not answer, rather than a bug."""
    # SQLAlchemy wraps the driver's error twice: in DBAPIError.orig, and in that error's cause.
    driver = getattr(error, "orig", None)
    inner = getattr(driver, "__cause__", None) if driver is not None else None
    if inner is not None and _TOO_MANY_ARGUMENTS in str(inner):
        return False
    if isinstance(error, OSError | Unavailable) or getattr(error, "connection_invalidated", False):
        return True
    if any(f"{kind.__module__}.{kind.__qualname__}" in _OUTAGES for kind in type(error).__mro__):
        return True
    return isinstance(inner, Exception) and is_outage(inner)
