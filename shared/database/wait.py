"""Wait until a database accepts our login and has the migrations that this code needs.

``python -m shared.database.wait [MODULE…]`` logs in with DATABASE_URL, or as the owner with
DATABASE_ADMIN_URL. It ends when the schema of every module is at its newest revision here or at a
revision of a newer release that this code can use. It waits without a limit and prints the reason.
"""

import asyncio
import os
import sys
from collections.abc import Sequence

import asyncpg

from shared.database.migrations import Migrations

_RETRY_SECONDS = 1.0
_PATIENCE_SECONDS = 5.0

# Errors of a database that is starting, or whose roles and schemas do not exist yet.
_NOT_YET = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


async def wait(url: str, modules: Sequence[str]) -> None:
    """Return as soon as the database at ``url`` is ready for ``modules``."""
    wanted = [Migrations(module) for module in modules]
    said = ""
    while reason := await missing(url, wanted):
        if reason != said:
            sys.stderr.write(f"waiting: {reason}\n")
            sys.stderr.flush()
            said = reason
        await asyncio.sleep(_RETRY_SECONDS)


async def missing(url: str, wanted: Sequence[Migrations]) -> str | None:
    """The reason why the database is not ready, without secrets; None if it is ready."""
    try:
        connection = await asyncpg.connect(url, timeout=_PATIENCE_SECONDS)
        try:
            for migrations in wanted:
                schema = migrations.schema
                revision = await connection.fetchval(
                    f"select version_num from {schema}.schema_revision"  # noqa: S608 - our name
                )
                if not migrations.is_reached_by(revision):
                    return f"schema {schema} is at revision {revision}"
                oldest_code = await connection.fetchval(migrations.oldest_code_query)
                if reason := migrations.refused_by(revision, oldest_code):
                    return reason
        finally:
            await connection.close(timeout=_PATIENCE_SECONDS)
    except _NOT_YET as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return None


def main() -> None:
    """Read the environment and wait."""
    url = os.environ.get("DATABASE_URL") or os.environ.get("DATABASE_ADMIN_URL")
    if not url:
        sys.exit("usage: DATABASE_URL=… python -m shared.database.wait [MODULE…]")
    asyncio.run(wait(url, sys.argv[1:]))


if __name__ == "__main__":
    main()
