"""``cinelog archive …``: archives the log, verifies the archive, restores from it."""

import asyncio
from typing import Any

import click

from services.operator.tools import Failed, Tools
from shared.errors import CinelogError
from shared.event_store.archive.archive import (
    ArchiveHead,
    archived_position,
    find_head,
    find_manifest,
    range_numbers,
)
from shared.event_store.archive.archive import archive as archive_log
from shared.event_store.archive.archive_format import PREFIX, BadArchive, Manifest
from shared.event_store.archive.archive_verify import Verdict
from shared.event_store.archive.archive_verify import verify as verify_archive
from shared.event_store.archive.restore import Restored
from shared.event_store.archive.restore import restore as restore_log


@click.group("archive")
def archive() -> None:
    """Copy the log to the bucket, check the copy, complete a database's log from it."""


@archive.command()
@click.pass_obj
def run(tools: Tools) -> None:
    """Archive the events that are not archived yet."""

    async def work() -> ArchiveHead:
        async with tools.connect() as connection, tools.archive() as bucket:
            with tools.output.progress("archiving") as progress:
                return await archive_log(connection, bucket, progress=progress)

    head = _sound(work())
    tools.output.show(head, f"Archived up to event {head.last} in {head.number} ranges.")


@archive.command("list")
@click.pass_obj
def list_ranges(tools: Tools) -> None:
    """List the archived ranges."""

    async def work() -> list[Manifest]:
        async with tools.archive() as bucket:
            numbers = await range_numbers(bucket, PREFIX)
            found = [await find_manifest(bucket, PREFIX, number) for number in numbers]
        return [manifest for manifest in found if manifest is not None]

    columns = ("number", "first", "last", "bytes", "sha256", "created_at")
    tools.output.rows(_sound(work()), columns, "Nothing is archived yet.")


@archive.command()
@click.option("--alone", is_flag=True, help="Without asking the database how far it must reach.")
@click.pass_obj
def verify(tools: Tools, alone: bool) -> None:
    """Read the whole archive back and recompute every hash."""

    async def work() -> Verdict:
        at_least = 0
        if not alone:
            async with tools.connect() as connection:
                at_least = await archived_position(connection)
        async with tools.archive() as bucket:
            with tools.output.progress("verifying") as progress:
                return await verify_archive(bucket, at_least=at_least, progress=progress)

    found = _sound(work())
    flaws = "".join(f"✗ range {flaw.number}: {flaw.problem}\n" for flaw in found.flaws)
    tools.output.show(found, f"{flaws}{found.events} events in {found.ranges} ranges.")
    if found.flaws:
        raise Failed(f"{len(found.flaws)} flaws")


@archive.command()
@click.option("--expect", metavar="HASH", help="The archive must end with this hash.")
@click.confirmation_option(prompt="Complete this database's log from the archive?")
@click.pass_obj
def restore(tools: Tools, expect: str | None) -> None:
    """Add what the archive has beyond the log of a restored dump, or of an empty database.

    No service may run meanwhile.
    """

    async def work() -> Restored:
        async with tools.connect() as connection, tools.archive() as bucket:
            head = await find_head(bucket)
            if expect is not None and head.hash != expect:
                raise Failed(f"The archive ends with {head.hash}.")
            with tools.output.progress("restoring") as progress:
                return await restore_log(connection, bucket, progress=progress)

    found = _sound(work())
    tools.output.show(
        found,
        f"The log had {found.kept} events; {found.events} were added from the archive, which ends"
        f" at {found.head.last}.",
    )


def _sound(work: Any) -> Any:
    try:
        return asyncio.run(work)
    except (CinelogError, BadArchive) as error:
        raise Failed(str(error)) from error
