"""Load, decide, append: how every command becomes events.

The decider pattern (Chassaing): ``decide(state, command) -> events`` and
``evolve(state, event) -> state`` are pure; time and ids arrive inside the command.
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec

from shared.contracts import Event
from shared.event_store.serialization import readable
from shared.event_store.store import (
    Metadata,
    NewEvent,
    RecordedEvent,
    Streams,
    WrongExpectedVersion,
)

State = TypeVar("State")
Command = TypeVar("Command")

# Two concurrent commands on one entity conflict; a few rounds resolve that.
_ATTEMPTS = 5


class Decider(msgspec.Struct, Generic[State, Command], frozen=True):
    """An aggregate's pure logic."""

    initial: Callable[[], State]
    decide: Callable[[State, Command], Sequence[Event]]
    evolve: Callable[[State, Event], State]


class Outcome(msgspec.Struct, Generic[State], frozen=True):
    """The result of a command. ``events`` is empty if it changed nothing."""

    state: State
    version: int
    events: tuple[Event, ...]


async def load(
    store: Streams, stream_id: str, decider: Decider[State, Command]
) -> tuple[State, int]:
    """An entity's state and version, folded from its stream. Raises UnreadableStream."""
    return fold(await store.read_stream(stream_id), decider)


def fold(events: Sequence[RecordedEvent], decider: Decider[State, Command]) -> tuple[State, int]:
    """The state and the version after all events of a stream. Raises UnreadableStream."""
    state, version = decider.initial(), 0
    for recorded in events:
        state, version = decider.evolve(state, readable(recorded).data), recorded.version
    return state, version


async def execute(
    store: Streams,
    stream_id: str,
    decider: Decider[State, Command],
    command: Command,
    metadata: Metadata,
) -> Outcome[State]:
    """Run a command, and decide again if another writer appended first.

    Raises what ``decide`` raises, WrongExpectedVersion if the conflict remains, and
    UnreadableStream.
    """
    lost = 0
    while True:
        state, version = await load(store, stream_id, decider)
        events = tuple(decider.decide(state, command))
        if not events:
            return Outcome(state, version, ())
        try:
            after = await store.append(
                stream_id, version, [NewEvent(event) for event in events], metadata
            )
        except WrongExpectedVersion:
            lost += 1
            if lost == _ATTEMPTS:
                raise
            continue
        for event in events:
            state = decider.evolve(state, event)
        return Outcome(state, after, events)
