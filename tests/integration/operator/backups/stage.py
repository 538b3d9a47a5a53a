"""An installation whose backups tests make, damage and restore."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg

from tests.support import threads
from tests.support.buckets import Buckets
from tests.support.databases import Database

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.b64encode(bytes(32)).decode()
FILM = bytes(range(256)) * 40_000
"""Larger than a part of an upload."""

Command = Callable[..., Any]
"""Runs a command of backups on a stage; what it printed."""


class Stage:
    """An installation, and the command line of backups on it."""

    def __init__(
        self, database: Database, s3: Buckets, archived: Buckets, target: str, **more: str
    ) -> None:
        self.database = database
        self.s3 = s3
        self.archived = archived
        self.environment = {
            "CINELOG_MODE": "local",
            "DATABASE_URL": database.url("backup"),
            "DATABASE_ADMIN_URL": database.admin_url,
            "SCRATCH_DATABASE_URL": database.admin_url,
            "S3_ENDPOINT": s3.endpoint,
            "S3_ACCESS_KEY": s3.access_key,
            "S3_SECRET_KEY": s3.secret_key,
            "S3_SOURCES_BUCKET": s3.sources,
            "S3_MEDIA_BUCKET": s3.media,
            "S3_ARCHIVE_BUCKET": archived.sources,
            "BACKUP_TARGET": target,
            "BACKUP_KEY": KEY,
            "BACKUP_S3_ENDPOINT": s3.endpoint,
            "BACKUP_S3_ACCESS_KEY": s3.access_key,
            "BACKUP_S3_SECRET_KEY": s3.secret_key,
            **more,
        }

    def objects(self) -> dict[tuple[str, str], Any]:
        """Bytes and headers of every object, by bucket and key."""
        client = self.s3.client()
        found: dict[tuple[str, str], Any] = {}
        for use, bucket in (
            *(("sources", self.s3.sources), ("media", self.s3.media)),
            ("archive", self.archived.sources),
        ):
            for key in self.s3.keys(bucket):
                answer = client.get_object(Bucket=bucket, Key=key)
                kept = (answer["ContentType"], answer.get("CacheControl"))
                found[use, key] = (answer["Body"].read(), *kept)
        return found

    def rows(self) -> dict[str, Any]:
        """What every table holds."""
        return threads.run(lambda: rows_of(self.database.admin_url))


async def rows_of(url: str) -> dict[str, Any]:
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "select schemaname || '.' || tablename from pg_tables"
            " where schemaname !~ '^pg_|information_schema'"
            # Of backups, and of what was published: the archive says that all of it was.
            " and tablename not in ('backups', 'relay')"
        )
        return {
            table: sorted(map(str, await connection.fetch(f"select * from {table}")))
            for (table,) in tables
        }
    finally:
        await connection.close()


async def fetch(database: Database, statement: str) -> Any:
    owner = await asyncpg.connect(database.admin_url)
    try:
        return await owner.fetchval(statement)
    finally:
        await owner.close()


def folder(stage: Stage) -> Path:
    return Path(stage.environment["BACKUP_TARGET"])


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
