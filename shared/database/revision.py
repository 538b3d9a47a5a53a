"""Write a module's next migration by comparing its models with a scratch database.

``DATABASE_ADMIN_URL=… python -m shared.database.revision services.catalog "add captions"``
"""

import asyncio
import os
import sys
from pathlib import Path

from shared.database.connect import create_engine
from shared.database.migrations import Migrations
from shared.database.setup import prepare


async def write(admin_url: str, module: str, message: str) -> Path:
    """Migrate the database at ``admin_url`` to the newest revision, then write the next one."""
    await prepare(admin_url, [module], {})
    engine = create_engine(admin_url, size=1, answer_seconds=None)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(
                lambda sync: Migrations(module).write_revision(sync, message)
            )
    finally:
        await engine.dispose()


def main() -> None:
    """Read the arguments, write the migration and print its path."""
    admin_url = os.environ.get("DATABASE_ADMIN_URL")
    if not admin_url or len(sys.argv) != 3:
        sys.exit("usage: DATABASE_ADMIN_URL=… python -m shared.database.revision MODULE MESSAGE")
    path = asyncio.run(write(admin_url, sys.argv[1], sys.argv[2]))
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
