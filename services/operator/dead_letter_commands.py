"""``cinelog dead-letters …``: messages and events whose handling failed.

A letter lies in a dead-letter queue, named by the queue it came from, or it is an event that a
projection parked, named by the projection and its position.
"""

import asyncio
import subprocess
from typing import Any, Final

import click
import msgspec

from services.operator.dead_letters import QueueLetters, open_queue_letters
from services.operator.projection_commands import PROJECTIONS, WORK_QUEUES, places, program
from services.operator.tools import Failed, Tools
from shared.event_store.projections.parking import (
    ParkedEvent,
    drop_parked,
    list_parked,
    show_parked,
)

_LIMIT: Final = 1000
_ID = click.argument("number", type=int, required=False)


class Dead(msgspec.Struct, frozen=True):
    """A letter of either kind. ``where`` and ``number`` name it in the other commands."""

    kind: str
    where: str
    number: int
    reason: str
    about: str


@click.group("dead-letters")
def dead_letters() -> None:
    """List, redrive and drop messages and events whose handling failed."""


@dead_letters.command("list")
@click.pass_obj
def list_letters(tools: Tools) -> None:
    """List all dead letters and parked events."""

    async def run() -> list[Dead]:
        names = await _projections(tools)
        found: list[Dead] = []
        async with open_queue_letters(tools.amqp_url, [*names, *WORK_QUEUES]) as letters:
            found += [
                Dead("message", each.queue, each.number, each.reason, each.body[:80])
                for each in await letters.look()
            ]
        for name in names:
            found += [
                Dead("event", name, each.position, each.reason, each.stream_id)
                for each in await _parked(tools, name)
            ]
        return found

    columns = ("kind", "where", "number", "reason", "about")
    tools.output.rows(asyncio.run(run()), columns, "Nothing is dead.")


@dead_letters.command()
@click.argument("where")
@_ID
@click.pass_obj
def show(tools: Tools, where: str, number: int | None) -> None:
    """One letter whole: WHERE and NUMBER as the list says."""

    async def run() -> Any:
        async with open_queue_letters(tools.amqp_url, [where]) as letters:
            for each in await letters.look(where):
                if each.number == (number or 1):
                    return each
        if number is not None and where in await _projections(tools):
            schema, _, projection = where.partition(".")
            async with (
                tools.store() as store,
                tools.engine() as engine,
                engine.connect() as connection,
            ):
                return await show_parked(connection, store, schema, projection, number)
        return None

    found = asyncio.run(run())
    if found is None:
        raise Failed("There is no such letter.")
    tools.output.show(found)


@dead_letters.command()
@click.argument("where")
@_ID
@click.option("--parked", is_flag=True, help="Apply parked events again instead of messages.")
@click.pass_obj
def redrive(tools: Tools, where: str, number: int | None, parked: bool) -> None:
    """Return messages to the queue WHERE, one or all. With --parked: apply parked events."""
    if parked:
        _redrive_parked(tools, where)
        return

    async def run(letters: QueueLetters) -> int:
        return await letters.redrive(where, number)

    count = asyncio.run(_with_letters(tools, where, run))
    tools.output.show({"redriven": count}, f"{count} handed back to {where}.")


@dead_letters.command()
@click.argument("where")
@_ID
@click.option("--parked", is_flag=True, help="A parked event instead of a message.")
@click.confirmation_option(prompt="What is dropped is gone. Go on?")
@click.pass_obj
def drop(tools: Tools, where: str, number: int | None, parked: bool) -> None:
    """Delete one message or all of a queue, or with --parked the event at a position."""

    async def give_up_event() -> int:
        if number is None:
            raise Failed("Say which: the position of the event.")
        schema, _, projection = where.partition(".")
        async with tools.engine() as engine:
            return int(await drop_parked(engine, schema, projection, number))

    async def give_up_messages(letters: QueueLetters) -> int:
        return await letters.drop(where, number)

    work = give_up_event() if parked else _with_letters(tools, where, give_up_messages)
    count = asyncio.run(work)
    if count == 0:
        raise Failed("There is no such letter.")
    tools.output.show({"dropped": count}, f"{count} dropped.")


def _redrive_parked(tools: Tools, projection: str) -> None:
    if projection not in PROJECTIONS:
        raise Failed(f"Events can be applied again for {', '.join(PROJECTIONS)}.")
    ended = subprocess.run(  # noqa: S603 - fixed words
        program(projection, "redrive"),
        env=dict(tools.environment),
        stdout=subprocess.PIPE,
        check=False,
    )
    if ended.returncode != 0:
        raise Failed(f"It ended with exit code {ended.returncode}.")
    report: dict[str, int] = msgspec.json.decode(ended.stdout)
    tools.output.show(report, f"{report['applied']} applied, {report['left']} still parked.")
    if report["left"]:
        raise Failed("Some events still cannot be applied.")


async def _with_letters(tools: Tools, where: str, work: Any) -> int:
    async with open_queue_letters(tools.amqp_url, [where]) as letters:
        count: int = await work(letters)
    return count


async def _projections(tools: Tools) -> list[str]:
    async with tools.connect() as connection:
        return [place.projection for place in await places(connection)]


async def _parked(tools: Tools, name: str) -> list[ParkedEvent]:
    schema, _, projection = name.partition(".")
    async with tools.engine() as engine, engine.connect() as connection:
        return await list_parked(connection, schema, projection, limit=_LIMIT)
