"""``cinelog deletions …``: shows what is to be deleted and when, and holds it back."""

import asyncio
from typing import Any

import click

from services.operator.tools import Failed, Tools

_LIST = """
select * from (
    select 'media' as bucket, key, reason, since, due_at, held from transcoder.deletions
    union all
    select 'sources', key, reason, since, due_at, held from ingest.doomed_objects
) as listed
where $1::text is null or split_part(key, '/', 1) = $1
order by due_at, bucket, key
"""
_HOLD = (
    "update transcoder.deletions set held = $2 where key = $1 and held <> $2 returning key",
    "update ingest.doomed_objects set held = $2 where key = $1 and held <> $2 returning key",
)
_COLUMNS = ("bucket", "key", "reason", "since", "due_at", "held")


@click.group("deletions")
def deletions() -> None:
    """Show what is to be deleted and when, hold entries back, release them."""


@deletions.command("list")
@click.argument("video", required=False)
@click.pass_obj
def list_deletions(tools: Tools, video: str | None) -> None:
    """List the objects that are to be deleted, of one video or of all."""

    async def run() -> list[dict[str, Any]]:
        async with tools.connect() as connection:
            return [dict(row) for row in await connection.fetch(_LIST, video)]

    tools.output.rows(asyncio.run(run()), _COLUMNS, "Nothing is listed for deletion.")


@deletions.command()
@click.argument("key")
@click.pass_obj
def hold(tools: Tools, key: str) -> None:
    """Hold an entry back: it is not deleted until it is released. KEY is as it is listed."""
    _hold(tools, key, held=True)
    tools.output.show({"key": key, "held": True}, f"{key} is held back.")


@deletions.command()
@click.argument("key")
@click.pass_obj
def release(tools: Tools, key: str) -> None:
    """Release an entry that is held back. It is deleted if its time has come."""
    _hold(tools, key, held=False)
    tools.output.show({"key": key, "held": False}, f"{key} is released.")


def _hold(tools: Tools, key: str, *, held: bool) -> None:
    async def run() -> bool:
        async with tools.connect() as connection:
            changed = [await connection.fetchval(each, key, held) for each in _HOLD]
            return any(changed)

    if not asyncio.run(run()):
        raise Failed(f"{key} is not listed, or is so already.")
