"""``cinelog events …``: shows the log and checks it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import click
import msgspec

from services.operator.tools import Failed, Tools
from shared.contracts import CATEGORY_EVENTS, UnknownEventType, category_of
from shared.event_store.serialization import EVENT_COLUMNS, recorded_from_row
from shared.event_store.store import EventStore, RecordedEvent, SequencedEvent, Unreadable
from shared.event_store.upcast import read_event

_PAGE = 2000
_POLL_SECONDS = 0.5
_SHOWN = 50
_ALLOWED: dict[str, set[str]] = {
    category: {kind.__name__ for kind in kinds} for category, kinds in CATEGORY_EVENTS.items()
}

_STATS = """
select type, count(*) as events, min(recorded_at) as first, max(recorded_at) as last
from log.events group by type order by count(*) desc
"""
_GAPS = """
select stream_id, count(*) as events, max(version) as newest from log.events
group by stream_id having count(*) <> max(version) or min(version) <> 1
order by stream_id limit 100
"""
_POSITIONS = """
select count(*), coalesce(max(position), 0), coalesce(min(position), 1) from log.positions
"""
_STREAM = f"""
select {EVENT_COLUMNS}
from log.events e left join log.positions p using (seq)
where e.stream_id = $1 order by e.version
"""  # noqa: S608 - a constant of ours
_RAW = """
select stream_id, version, type, schema_version, data::text from log.events
where (stream_id, version) > ($1, $2) order by stream_id, version limit $3
"""


class Shown(msgspec.Struct, frozen=True):
    """An event as it is printed."""

    position: int | None
    stream_id: str
    version: int
    type: str
    at: datetime
    data: Any


class Verified(msgspec.Struct, frozen=True):
    """The result of a check of the log; ``problems`` are sentences."""

    events: int
    streams: int
    head: int
    unsequenced: int
    problems: list[str]


@click.group("events")
def events() -> None:
    """Show and check the log."""


@events.command()
@click.option("--after", type=int, help="Begin after this position; else with the last ten.")
@click.option("--follow/--no-follow", default=True, help="Wait for more.")
@click.pass_obj
def tail(tools: Tools, after: int | None, follow: bool) -> None:
    """Follow the log and print new events."""

    async def run() -> None:
        async with tools.store() as store:
            position = max(0, await store.head() - 10) if after is None else after
            async for event in _events(store, position, follow=follow):
                _print(tools, event)

    asyncio.run(run())


@events.command()
@click.argument("stream")
@click.pass_obj
def show(tools: Tools, stream: str) -> None:
    """Print all events of one STREAM, such as transcode-0193…"""

    async def run() -> list[RecordedEvent]:
        # Not as ``read_stream`` does, which refuses a stream with an event that it cannot decode.
        async with tools.connect() as connection:
            return [recorded_from_row(row) for row in await connection.fetch(_STREAM, stream)]

    found = asyncio.run(run())
    if not found:
        raise Failed(f"There is no stream {stream}.")
    for event in found:
        _print(tools, event)


@events.command()
@click.pass_obj
def stats(tools: Tools) -> None:
    """Count events by type."""

    async def run() -> list[dict[str, Any]]:
        async with tools.connect() as connection:
            return [dict(row) for row in await connection.fetch(_STATS)]

    columns = ("type", "events", "first", "last")
    tools.output.rows(asyncio.run(run()), columns, "The log is empty.")


@events.command()
@click.pass_obj
def verify(tools: Tools) -> None:
    """Check that versions and positions have no gap and that every event can be read."""
    found = asyncio.run(_verify(tools))
    shown = "\n".join(f"✗ {problem}" for problem in found.problems[:_SHOWN])
    counted = f"{found.events} events in {found.streams} streams, head {found.head}"
    waiting = f", {found.unsequenced} without a place yet" if found.unsequenced else ""
    tools.output.show(found, f"{shown}\n{counted}{waiting}".strip())
    if found.problems:
        raise Failed(f"{len(found.problems)} problems")


async def _verify(tools: Tools) -> Verified:
    problems: list[str] = []
    events = streams = 0
    stream, version = "", 0
    async with tools.connect() as connection:
        problems += [
            f"{row['stream_id']} has {row['events']} events up to version {row['newest']}"
            for row in await connection.fetch(_GAPS)
        ]
        places, head, lowest = await connection.fetchrow(_POSITIONS)
        if places != head or lowest != 1:
            problems.append(f"there are {places} positions up to {head}")
        total = await connection.fetchval("select count(*) from log.events")
        with tools.output.progress("events") as progress:
            while rows := await connection.fetch(_RAW, stream, version, _PAGE):
                for row in rows:
                    streams += row["stream_id"] != stream
                    stream, version = row["stream_id"], row["version"]
                    problem = _unreadable(row)
                    if problem:
                        problems.append(f"{stream} version {version}: {problem}")
                events += len(rows)
                progress(events, total)
    return Verified(events, streams, head, max(0, events - places), problems)


def _unreadable(row: Any) -> str | None:
    if row["type"] not in _ALLOWED.get(category_of(row["stream_id"]), ()):
        return f"{row['type']} does not belong into this stream"
    try:
        read_event(row["type"], row["schema_version"], row["data"])
    except (UnknownEventType, msgspec.MsgspecError) as error:
        return f"{row['type']} cannot be read: {error}"
    return None


async def _events(
    store: EventStore, position: int, *, follow: bool
) -> AsyncIterator[SequencedEvent]:
    while True:
        found = await store.read_all(position, _PAGE)
        for event in found:
            position = event.position
            yield event
        if not found:
            if not follow:
                return
            await asyncio.sleep(_POLL_SECONDS)


def _print(tools: Tools, event: RecordedEvent) -> None:
    data = event.data
    position = event.position if isinstance(event, SequencedEvent) else None
    shown = Shown(
        position,
        event.stream_id,
        event.version,
        event.type,
        event.recorded_at,
        f"unreadable: {data.reason}" if isinstance(data, Unreadable) else data,
    )
    text = msgspec.json.encode(shown.data).decode()
    place = "-" if position is None else str(position)
    at = event.recorded_at.isoformat(timespec="milliseconds")
    tools.output.line(shown, f"{place:>8} {at} {event.type:<20} {event.stream_id} {text}")
