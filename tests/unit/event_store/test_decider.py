"""Given events, when a command, then events: and again when another writer was first."""

from collections.abc import Sequence

import msgspec
import pytest

from shared.contracts import DetailsChanged, Event
from shared.event_store.decider import Decider, execute, load
from shared.event_store.memory import MemoryEventStore
from shared.event_store.store import Metadata, NewEvent, WrongExpectedVersion

STREAM = "video-1"


class Titles(msgspec.Struct, frozen=True):
    seen: tuple[str, ...] = ()


def decide(state: Titles, title: str) -> Sequence[Event]:
    if title in state.seen:
        return ()
    return (DetailsChanged(video_id="1", title=title, description=""),)


def evolve(state: Titles, event: Event) -> Titles:
    assert isinstance(event, DetailsChanged)
    return Titles((*state.seen, event.title))


DECIDER: Decider[Titles, str] = Decider(Titles, decide, evolve)


class RacingStore(MemoryEventStore):
    """Lets a rival append just before the first ``races`` appends."""

    def __init__(self, races: int) -> None:
        super().__init__()
        self._races = races

    async def append(
        self,
        stream_id: str,
        expected_version: int,
        events: Sequence[NewEvent],
        metadata: Metadata,
    ) -> int:
        if self._races:
            self._races -= 1
            rival = DetailsChanged(video_id="1", title=f"rival {self._races}", description="")
            await super().append(stream_id, expected_version, [NewEvent(rival)], metadata)
        return await super().append(stream_id, expected_version, events, metadata)


async def test_a_command_appends_its_events_and_returns_the_new_state() -> None:
    store = MemoryEventStore()
    outcome = await execute(store, STREAM, DECIDER, "a", Metadata(actor="u"))
    assert outcome.version == 1
    assert outcome.state.seen == ("a",)
    recorded = (await store.read_stream(STREAM))[0]
    assert recorded.metadata.actor == "u"


async def test_a_command_that_changes_nothing_appends_nothing() -> None:
    store = MemoryEventStore()
    await execute(store, STREAM, DECIDER, "a", Metadata())
    outcome = await execute(store, STREAM, DECIDER, "a", Metadata())
    assert outcome.events == ()
    assert outcome.version == 1


async def test_a_lost_race_is_decided_again_on_the_new_state() -> None:
    store = RacingStore(races=2)
    outcome = await execute(store, STREAM, DECIDER, "mine", Metadata())
    assert outcome.state.seen == ("rival 1", "rival 0", "mine")
    state, version = await load(store, STREAM, DECIDER)
    assert (state, version) == (outcome.state, 3)


async def test_a_conflict_that_does_not_settle_is_reported() -> None:
    outcome = await execute(RacingStore(races=4), STREAM, DECIDER, "mine", Metadata())
    assert outcome.version == 5
    store = RacingStore(races=5)
    with pytest.raises(WrongExpectedVersion):
        await execute(store, STREAM, DECIDER, "mine", Metadata())
    assert await store.head() == 5
