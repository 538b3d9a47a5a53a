"""``cinelog backup …``: makes backups, checks, tests and restores them."""

import asyncio
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
import msgspec

from services.operator.backups import retention, sets
from services.operator.backups.database import Report, alone, report
from services.operator.backups.making import make
from services.operator.backups.restoring import Restored
from services.operator.backups.restoring import restore as restore_backup
from services.operator.backups.sealing import Damaged, WrongKey
from services.operator.backups.trial import Tried, try_restore
from services.operator.backups.verifying import Verdict, newest
from services.operator.backups.verifying import verify as verify_backup
from services.operator.tools import BackupTools, Failed, Vault
from shared.errors import CinelogError
from shared.event_store.archive.archive_format import BadArchive

T = TypeVar("T")


class Made(msgspec.Struct, frozen=True):
    """A backup, and what was removed after it."""

    backup: sets.Manifest
    removed: retention.Removed


class Listed(msgspec.Struct, frozen=True):
    """A backup in the list. ``state``: good, unfinished, damaged or another key's."""

    name: str
    state: str
    position: int | None = None
    objects: int | None = None
    bytes: int | None = None


@click.group("backup")
def backup() -> None:
    """Back up the database, the log's archive and the buckets; restore them."""


@backup.command()
@click.pass_obj
def run(tools: BackupTools) -> None:
    """Make a backup, then remove those that are too old."""

    async def work() -> Made:
        began = time.monotonic()
        async with tools.source() as source, tools.vault() as vault, alone(source.database_url):
            made = await make(source, vault.target, vault.sealer, clock=_now, say=tools.output.say)
            await report(
                source.database_url,
                Report(
                    kind="backup",
                    name=made.name,
                    finished_at=made.finished_at,
                    seconds=time.monotonic() - began,
                    bytes=made.bytes,
                ),
            )
            removed = await retention.prune(
                vault.target, vault.sealer, days=tools.keep_days(), now=_now()
            )
            return Made(made, removed)

    done = _sound(work())
    made, removed = done.backup, done.removed
    held = "".join(
        f"\nBackup {name} is damaged: while it is kept, no objects are removed."
        for name in removed.damaged
    )
    tools.output.show(
        done,
        f"Backup {made.name}: up to event {made.position}, {made.bytes} bytes;"
        f" {made.copied_objects} objects were new. {len(removed.backups)} older backups and"
        f" {removed.objects} objects were removed.{held}",
    )


@backup.command("list")
@click.pass_obj
def list_backups(tools: BackupTools) -> None:
    """List the backups, oldest first."""

    async def work() -> list[Listed]:
        async with tools.vault() as vault:
            return [await _listed(vault, found) for found in await sets.find_all(vault.target)]

    columns = ("name", "state", "position", "objects", "bytes")
    tools.output.rows(_sound(work()), columns, "There is no backup.")


@backup.command()
@click.argument("name", required=False)
@click.option("--sample", type=click.IntRange(0), help="Read so many of its objects, not all.")
@click.pass_obj
def verify(tools: BackupTools, name: str | None, sample: int | None) -> None:
    """Read a backup back, the newest unless NAME is given, and compare every byte."""

    async def work() -> Verdict:
        async with tools.vault() as vault:
            with tools.output.progress("verifying") as progress:
                return await verify_backup(
                    *(vault.target, vault.sealer, await _manifest(vault, name)),
                    sample=sample,
                    progress=progress,
                )

    found = _sound(work())
    flaws = "".join(f"✗ {flaw}\n" for flaw in found.flaws)
    tools.output.show(
        found,
        f"{flaws}Backup {found.name}: {found.files} files and {found.read} of {found.objects}"
        " objects were read.",
    )
    if found.flaws:
        raise Failed(f"{len(found.flaws)} flaws")


@backup.command()
@click.argument("name", required=False)
@click.confirmation_option(prompt="Restore into this installation?")
@click.pass_obj
def restore(tools: BackupTools, name: str | None) -> None:
    """Restore a backup, the newest unless NAME is given, into an empty installation.

    No service may run meanwhile. The Secret with the keys has to be that of the installation that
    was backed up.
    """

    async def work() -> Restored:
        async with tools.installation() as into, tools.vault() as vault:
            with tools.output.progress("restoring") as progress:
                return await restore_backup(
                    *(into.admin_url, into.buckets, vault.target, vault.sealer),
                    await _manifest(vault, name),
                    on_disk=into.on_disk,
                    progress=progress,
                )

    done = _sound(work())
    tools.output.show(
        done,
        f"Backup {done.name} is restored: {done.rows} rows of {done.tables} tables, the log up to"
        f" event {done.position}, of which {done.added} came from the archive; {done.objects}"
        f" objects with {done.bytes} bytes, and {done.there} that were there.",
    )


@backup.command()
@click.argument("name", required=False)
@click.option("--sample", type=click.IntRange(0), default=200, show_default=True)
@click.pass_obj
def test(tools: BackupTools, name: str | None, sample: int) -> None:
    """Restore a backup into a scratch database, compare, and throw it away.

    SAMPLE: how many objects are read, too.
    """

    async def work() -> Tried:
        began = time.monotonic()
        scratch = tools.scratch()
        async with tools.vault() as vault:
            with tools.output.progress("reading") as progress:
                tried = await try_restore(
                    *(scratch.server_url, vault.target, vault.sealer),
                    await _manifest(vault, name),
                    sample=sample,
                    progress=progress,
                )
        await report(
            scratch.database_url,
            Report(
                kind="restore_test",
                name=tried.restored.name,
                finished_at=_now(),
                seconds=time.monotonic() - began,
                bytes=0,
            ),
        )
        return tried

    tried = _sound(work())
    done = tried.restored
    tools.output.show(
        tried,
        f"Backup {done.name} can be restored: {done.rows} rows of {done.tables} tables, the log up"
        f" to event {done.position}; {tried.verdict.read} of {tried.verdict.objects} objects were"
        " read.",
    )


async def _manifest(vault: Vault, name: str | None) -> sets.Manifest:
    chosen = name or await newest(vault.target)
    return await sets.read_manifest(vault.target, vault.sealer, chosen)


async def _listed(vault: Vault, found: sets.Found) -> Listed:
    if not found.finished:
        return Listed(found.name, "unfinished")
    try:
        manifest = await sets.read_manifest(vault.target, vault.sealer, found.name)
    except WrongKey:
        return Listed(found.name, "another key's")
    except Damaged:
        return Listed(found.name, "damaged")
    objects = sum(bucket.objects for bucket in manifest.buckets.values())
    whole = all(found.sizes.get(file.name) == file.size for file in manifest.files)
    state = "good" if whole else "damaged"
    return Listed(found.name, state, manifest.position, objects, manifest.bytes)


def _now() -> datetime:
    return datetime.now(UTC)


def _sound(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except (CinelogError, BadArchive) as error:
        raise Failed(str(error)) from error
