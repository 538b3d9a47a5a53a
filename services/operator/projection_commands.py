"""``cinelog projections …``: shows how far each read model is, and rebuilds one."""

import asyncio
import subprocess
import sys
from typing import Any, Final

import click
import msgspec

from services.operator.tools import Failed, Tools

WORK_QUEUES: Final = ("transcoder.bulk", "transcoder.urgent")
_PROGRAMS: Final[dict[str, tuple[str, ...]]] = {
    "catalog.library": ("services.catalog.main",),
    "ingest.doomed_sources": ("services.ingest.main",),
    "ingest.usage": ("services.ingest.main", "usage"),
    "transcoder.planner": ("services.transcoder.main",),
}
PROJECTIONS: Final = tuple(_PROGRAMS)


def program(projection: str, command: str, *options: str) -> tuple[str, ...]:
    """The service's own program for a projection: only it knows how its events are folded."""
    module, *name = _PROGRAMS[projection]
    return (sys.executable, "-m", module, command, *name, *options)


class Place(msgspec.Struct, frozen=True):
    """How far a projection is."""

    projection: str
    position: int
    behind: int
    parked: int


async def places(connection: Any) -> list[Place]:
    """Every projection of every service."""
    head = await connection.fetchval("select coalesce(max(position), 0) from log.positions")
    schemas = await connection.fetch(
        "select table_schema from information_schema.tables where table_name = 'checkpoints'"
        " and table_schema not like '%\\_rebuild' order by 1"
    )
    found: list[Place] = []
    for (schema,) in schemas:
        quoted = await connection.fetchval("select quote_ident($1)", schema)
        rows = await connection.fetch(
            "select name, position, (select count(*) from"  # noqa: S608 - a quoted name of ours
            f" {quoted}.parked_events p where p.projection = c.name) as parked"
            f" from {quoted}.checkpoints c order by 1"
        )
        found += [
            Place(f"{schema}.{row['name']}", row["position"], head - row["position"], row["parked"])
            for row in rows
        ]
    return found


@click.group("projections")
def projections() -> None:
    """Show how far read models are, and rebuild one."""


@projections.command()
@click.pass_obj
def status(tools: Tools) -> None:
    """How far each projection is behind the log, and what it has parked."""

    async def run() -> list[Place]:
        async with tools.connect() as connection:
            return await places(connection)

    columns = ("projection", "position", "behind", "parked")
    tools.output.rows(asyncio.run(run()), columns, "There are no projections yet.")


@projections.command()
@click.argument("name", type=click.Choice(sorted(PROJECTIONS)))
@click.option("--verify", is_flag=True, help="Only compare: say which rows differ.")
@click.pass_obj
def rebuild(tools: Tools, name: str, verify: bool) -> None:
    """Rebuild a projection from the log, beside live traffic, and replace the live tables.

    An interrupted rebuild of the catalog continues where it stopped when it is started again; the
    others begin anew. Tasks that run while the transcoder's is rebuilt are done again.
    """
    ended = subprocess.run(  # noqa: S603 - fixed words
        program(name, "rebuild", *(("--verify",) if verify else ())),
        env=dict(tools.environment),
        stdout=subprocess.PIPE,
        check=False,
    )
    if ended.returncode != 0:
        raise Failed(f"The rebuild ended with exit code {ended.returncode}.")
    report: dict[str, Any] = msgspec.json.decode(ended.stdout)
    tools.output.show(report)
    if verify and any(report["differing"].values()):
        raise Failed("The live rows are not those that the log leads to.")
