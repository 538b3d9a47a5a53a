"""``cinelog scrub``: has the coordinator read stored objects and compare them with the log."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import click
import msgspec

from services.operator.services import Refused, Services
from services.operator.tools import Failed, Tools
from shared.errors import CinelogError
from shared.reconciliation import Scrubbed

_VIDEOS = """
select video_id from transcoder.jobs
where state in ('completed', 'failed', 'cancelled') order by video_id
"""


@click.command()
@click.argument("video", required=False)
@click.option("--dry-run", is_flag=True, help="Only say what is damaged.")
@click.pass_obj
def scrub(tools: Tools, video: str | None, dry_run: bool) -> None:
    """Read all objects of a video, or of all videos, and have damaged ones made again.

    Exits with 1 if an object is damaged or cannot be read.
    """
    totals = {"objects": 0, "bytes": 0, "unknown": 0}
    wrong = 0

    async def run() -> None:
        nonlocal wrong
        async with tools.services() as services:
            async for found in _each(tools, services, video, dry_run=dry_run):
                for name in totals:
                    totals[name] += getattr(found, name)
                wrong += len(found.findings)
                for finding in found.findings:
                    row = {"video": found.video_id, **msgspec.structs.asdict(finding)}
                    people = f"{finding.action:11} {finding.subject}: {finding.detail}"
                    tools.output.line(row, people)

    try:
        asyncio.run(run())
    except (CinelogError, Refused) as error:
        raise Failed(str(error)) from error
    tools.output.say(
        f"{totals['objects']} objects, {totals['bytes']} bytes read; "
        f"{totals['unknown']} objects have no checksum in the log."
    )
    if wrong:
        raise Failed(f"{wrong} objects are damaged or cannot be read.")


async def _each(
    tools: Tools, services: Services, video: str | None, *, dry_run: bool
) -> AsyncIterator[Scrubbed]:
    """The result for each video. One that is deleted meanwhile is left out."""
    if video is not None:
        yield await services.scrub(video, dry_run=dry_run)
        return
    async with tools.connect() as connection:
        rows: list[Any] = await connection.fetch(_VIDEOS)
    with tools.output.progress("videos") as advance:
        for number, row in enumerate(rows):
            try:
                yield await services.scrub(row["video_id"], dry_run=dry_run)
            except Refused as refused:
                tools.output.say(f"{row['video_id']}: {refused}")
            advance(number + 1, len(rows))
