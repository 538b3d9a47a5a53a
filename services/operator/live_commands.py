"""``cinelog live …``: who is live, and requests to live to end a session or close a publisher."""

import asyncio
from typing import Any, Final

import click
import msgspec

from services.operator.services import Refused
from services.operator.tools import Failed, Tools
from shared.contracts import stream_id
from shared.errors import CinelogError
from shared.event_store.store import RecordedEvent

_COLUMNS: Final = """
select video_id::text, live_id::text, user_id, title, phase, epoch, replica, closing,
       case when phase = 'open' and held and beat_at > now() - interval '6 seconds'
            then 'sending' when phase = 'open' then 'waiting' else phase end as state,
       started_at, ended_at,
       round(extract(epoch from now() - media_at))::int as silent_seconds, health
from live.sessions
"""
_RUNNING: Final = f"{_COLUMNS} where phase <> 'closed' or $1 order by opened_at desc limit 500"
_ONE: Final = f"{_COLUMNS} where video_id = $1::uuid"
# Batches of segments are counted, not shown.
_BATCH: Final = "LivePublished"


@click.group("live")
def live() -> None:
    """Show live sessions, end them, and close their publishers."""


@live.command()
@click.option("--all", "everything", is_flag=True, help="The newest 500, also those that are over.")
@click.pass_obj
def ls(tools: Tools, everything: bool) -> None:
    """List the sessions that run, or whose video is not made yet."""

    async def run() -> list[dict[str, Any]]:
        async with tools.connect() as connection:
            return [_row(row) for row in await connection.fetch(_RUNNING, everything)]

    columns = ("video_id", "state", "user_id", "title", "replica", "bit_rate", "behind_ms")
    tools.output.rows(asyncio.run(run()), columns, "Nobody is live.")


@live.command()
@click.argument("video")
@click.pass_obj
def show(tools: Tools, video: str) -> None:
    """Show a session, by its video, and what its log has."""

    async def run() -> dict[str, Any] | None:
        async with tools.connect() as connection, tools.store() as store:
            row = await connection.fetchrow(_ONE, video)
            if row is None:
                return None
            events = await store.read_stream(stream_id("livesession", video))
            batches = [event for event in events if event.type == _BATCH]
            return {
                **_row(row),
                "batches": len(batches),
                "last_batch_at": batches[-1].recorded_at if batches else None,
                "events": [_told(event) for event in events if event.type != _BATCH],
            }

    found = asyncio.run(run())
    if found is None:
        raise Failed("There is no such live session.")
    tools.output.show(found)


@live.command()
@click.argument("video")
@click.pass_obj
def end(tools: Tools, video: str) -> None:
    """End a session now; what it has becomes its video."""
    _ask(tools, video, "end")


@live.command()
@click.argument("video")
@click.pass_obj
def kick(tools: Tools, video: str) -> None:
    """Close a session's publisher. The session waits for it, so it may come back at once."""
    _ask(tools, video, "kick")


def _row(row: Any) -> dict[str, Any]:
    """A row, with what its owner measures of the publisher."""
    values = dict(row)
    health = values.pop("health")
    return values | (msgspec.json.decode(health) if health else {})


def _told(event: RecordedEvent) -> dict[str, Any]:
    reason = getattr(event.data, "reason", None)
    told = {"at": event.recorded_at, "type": event.type}
    told |= {"epoch": epoch} if (epoch := getattr(event.data, "epoch", None)) else {}
    return told | ({"reason": reason} if reason else {})


def _ask(tools: Tools, video: str, what: str) -> None:
    async def run() -> dict[str, Any]:
        async with tools.services() as services:
            return await services.live(video, what)

    try:
        answer = asyncio.run(run())
    except (CinelogError, Refused) as error:
        raise Failed(str(error)) from error
    tools.output.show(answer, answer["message"])
