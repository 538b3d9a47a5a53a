"""``cinelog audit``: checks every promise and names its violations."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import click

from services.operator.audit import Line, audit_call, audit_database
from services.operator.dead_letters import open_queue_letters
from services.operator.projection_commands import WORK_QUEUES, places
from services.operator.tools import Failed, Tools
from shared.event_store.archive.archive import archived_position
from shared.event_store.archive.archive_verify import verify as verify_archive

_READINGS: Final = 6


@click.command("audit")
@click.option("--settle", default=60.0, metavar="SECONDS", help="Age at which work must be right.")
@click.option("--archive", "with_archive", is_flag=True, help="Read the whole archive back too.")
@click.pass_obj
def audit(tools: Tools, settle: float, with_archive: bool) -> None:
    """Compare log, tables, queues and buckets; change nothing.

    Exit code 1 if any promise is broken.
    """
    lines = asyncio.run(_audit(tools, settle, with_archive=with_archive))
    for line in lines:
        mark = "✓" if not line.broken else "✗"
        people = "\n    ".join(
            [f"{mark} {line.rule}: {line.promise}", *line.examples]
            + ([f"and {line.broken - len(line.examples)} more"] if _more(line) else [])
        )
        tools.output.line(line, people)
    broken = [line.rule for line in lines if line.broken]
    if broken:
        raise Failed(f"{len(broken)} of {len(lines)} promises are broken: {', '.join(broken)}")


async def lasting(look: Callable[[], Awaitable[list[str]]], settle: float) -> list[str]:
    """What every one of several looks finds: work that is under way comes right meanwhile."""
    found = await look()
    for _ in range(_READINGS):
        if not found:
            break
        await asyncio.sleep(settle / _READINGS)
        again = await look()
        found = [each for each in found if each in again]
    return found


def _more(line: Line) -> bool:
    return line.broken > len(line.examples)


async def _audit(tools: Tools, settle: float, *, with_archive: bool) -> list[Line]:
    async with tools.connect() as connection:
        lines = await audit_database(connection, settle)
        projections = await places(connection)
        archived = await archived_position(connection)

    async def parked() -> list[str]:
        return [f"{each.projection}: {each.parked}" for each in projections if each.parked]

    async def dead() -> list[str]:
        names = [*(each.projection for each in projections), *WORK_QUEUES]
        async with open_queue_letters(tools.amqp_url, names) as letters:
            return [f"{each.queue} {each.number}: {each.reason}" for each in await letters.look()]

    async def archive() -> list[str]:
        async with tools.archive() as bucket:
            verdict = await verify_archive(bucket, at_least=archived)
        return [f"range {flaw.number}: {flaw.problem}" for flaw in verdict.flaws]

    lines.append(await audit_call("projections.parked", "No event is put aside.", parked))
    lines.append(await audit_call("queues.dead_letters", "No message is put aside.", dead))
    async with tools.services() as services:
        for service in services.names:

            async def look(name: str = service) -> list[str]:
                found = await services.reconcile(name, dry_run=True)
                return [f"{each.action} {each.subject} {each.detail}" for each in found.findings]

            async def differences(look: Callable[[], Awaitable[list[str]]] = look) -> Sequence[str]:
                return await lasting(look, settle)

            lines.append(
                await audit_call(
                    f"{service}.reconciled",
                    f"Log, tables and bucket of {service} agree.",
                    differences,
                )
            )
    if with_archive:
        lines.append(await audit_call("archive.whole", "The archive is whole.", archive))
    return lines
