"""The test of a backup: it is restored into a scratch database, compared, and thrown away."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import msgspec

from services.operator.backups.database import connected
from services.operator.backups.notes import Notes
from services.operator.backups.restoring import Restored, restore_database
from services.operator.backups.sealing import Damaged, Sealer
from services.operator.backups.sets import File, Item, Manifest, read_items
from services.operator.backups.targets import Target
from services.operator.backups.verifying import Progress, Verdict, open_item, verify
from shared.errors import NotFound

_SCRATCH: Final = "cinelog_restore_test"
# Scratch databases that nobody uses, and whose names say that they were made before a time.
_LEFT: Final = """
select quote_ident(datname) from pg_database d
where starts_with(datname, $1)
  and substr(datname, length($1) + 1) ~ '^[0-9]{1,12}_'
  and split_part(substr(datname, length($1) + 1), '_', 1)::bigint < $2::float8
  and not exists (select from pg_stat_activity s where s.datid = d.oid)
"""
# Between making one and the first session in it.
_LEFT_SECONDS: Final = 3600.0


class Tried(msgspec.Struct, frozen=True):
    """What was restored, and the objects that were read beside it."""

    restored: Restored
    verdict: Verdict


async def try_restore(
    server_url: str,
    target: Target,
    sealer: Sealer,
    manifest: Manifest,
    *,
    sample: int,
    progress: Progress = lambda _at, _of: None,
) -> Tried:
    """Restore into a database of its own on a server, and read a ``sample`` of the objects.

    The rows of every table, the log's end and the archive's hashes are compared. The installation
    that was backed up is not touched. Raises Damaged where anything differs.
    """
    bucket = manifest.buckets.get("archive")
    with Notes.taken() as notes:
        archive = BackedUpArchive(target, sealer, notes)
        await archive.look(bucket.files if bucket else ())
        async with scratch(server_url) as url:
            restored = await restore_database(url, target, sealer, manifest, archive)
    verdict = await verify(target, sealer, manifest, sample=sample, progress=progress)
    if verdict.flaws:
        raise Damaged("; ".join(verdict.flaws[:5]))
    return Tried(restored, verdict)


@asynccontextmanager
async def scratch(server_url: str) -> AsyncIterator[str]:
    """A new database on a server, dropped at the end; those of tests that were killed go first."""
    name = f"{_SCRATCH}_{int(time.time())}_{uuid4().hex[:12]}"
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    async with connected(server_url) as server:
        for (left,) in await server.fetch(_LEFT, f"{_SCRATCH}_", time.time() - _LEFT_SECONDS):
            await server.execute(_drop(left))
        await server.execute(f"create database {name}")
    try:
        # A session in it says that the test still runs.
        async with connected(url):
            yield url
    finally:
        async with connected(server_url) as server:
            await server.execute(_drop(name))


def _drop(name: str) -> str:
    return f"drop database if exists {name} with (force)"


class BackedUpArchive:
    """The archive of the log as a backup has it."""

    def __init__(self, target: Target, sealer: Sealer, notes: Notes) -> None:
        self._target = target
        self._sealer = sealer
        self._notes = notes

    async def look(self, files: Sequence[File]) -> None:
        """Read the list of its objects."""
        for file in files:
            self._notes.add_archive(await read_items(self._target, self._sealer, file))

    async def read(self, key: str) -> bytes:
        """An object's bytes. Raises NotFound, Damaged."""
        item = self._notes.archived(key)
        if item is None:
            raise NotFound(f"There is no {key}.")
        chunks = open_item(self._target, self._sealer, item)
        return b"".join([chunk async for chunk in chunks])

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[Item]:
        """Its objects in the order of their keys."""
        for item in self._notes.archived_after(prefix, after):
            yield item
