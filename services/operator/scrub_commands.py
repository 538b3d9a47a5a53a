"""``cinelog scrub``: has the coordinator read stored objects and compare them with the log."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

import click
import msgspec

from services.operator.services import Refused, Services
from services.operator.tools import Failed, Tools
from shared.errors import CinelogError
from shared.reconciliation import Scrubbed

_VIDEOS = """
select video_id from transcoder.jobs
left join transcoder.scrubs using (video_id)
where state in ('completed', 'failed', 'cancelled')
  and ($1::timestamptz is null or scrubbed_at is null or scrubbed_at < $1)
order by scrubbed_at nulls first, video_id
"""
# A run before may have read videos in the second in which this one began.
_EXACT: Final = "%Y-%m-%dT%H:%M:%S.%f"


@click.command()
@click.argument("video", required=False)
@click.option("--dry-run", is_flag=True, help="Only say what is damaged.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S", _EXACT]),
    help="Leave out videos that were read since this time (UTC): goes on with a run that ended.",
)
@click.pass_obj
def scrub(tools: Tools, video: str | None, dry_run: bool, since: datetime | None) -> None:
    """Read all objects of a video, or of all videos, and have damaged ones made again.

    Videos that were read longest ago come first. A run that was interrupted says how to go on.

    Exits with 1 if an object is damaged or cannot be read.
    """
    totals = {"objects": 0, "bytes": 0, "unknown": 0}
    wrong = 0
    began = since.replace(tzinfo=UTC) if since else None
    now = datetime.now(UTC)

    async def run() -> None:
        nonlocal wrong
        async with tools.services() as services:
            async for found in _each(tools, services, video, began, dry_run=dry_run):
                for name in totals:
                    totals[name] += getattr(found, name)
                wrong += len(found.findings)
                for finding in found.findings:
                    row = {"video": found.video_id, **msgspec.structs.asdict(finding)}
                    people = f"{finding.action:11} {finding.subject}: {finding.detail}"
                    tools.output.line(row, people)

    try:
        asyncio.run(run())
    except (CinelogError, Refused, KeyboardInterrupt) as error:
        # A dry run notes nothing, and one video needs no hint.
        if video is None and not dry_run:
            tools.output.say(f"To go on: cinelog scrub --since {(began or now).strftime(_EXACT)}")
        if isinstance(error, KeyboardInterrupt):
            raise
        raise Failed(str(error)) from error
    tools.output.say(
        f"{totals['objects']} objects, {totals['bytes']} bytes read; "
        f"{totals['unknown']} objects have no checksum in the log."
    )
    if wrong:
        raise Failed(f"{wrong} objects are damaged or cannot be read.")


async def _each(
    tools: Tools,
    services: Services,
    video: str | None,
    since: datetime | None,
    *,
    dry_run: bool,
) -> AsyncIterator[Scrubbed]:
    """The result for each video. One that is deleted meanwhile is left out."""
    if video is not None:
        yield await services.scrub(video, dry_run=dry_run)
        return
    async with tools.connect() as connection:
        rows: list[Any] = await connection.fetch(_VIDEOS, since)
    with tools.output.progress("videos") as advance:
        for number, row in enumerate(rows):
            try:
                yield await services.scrub(row["video_id"], dry_run=dry_run)
            except Refused as refused:
                tools.output.say(f"{row['video_id']}: {refused}")
            advance(number + 1, len(rows))
