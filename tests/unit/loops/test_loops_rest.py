"""Loops rest while nothing happens, and nothing that happens waits for that."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry

from shared.loops import rest
from shared.loops.cancellation import end
from shared.loops.loops import Loops
from shared.loops.rest import AWAKE_SECONDS, REST_SECONDS
from tests.support.wait import eventually


class Stage:
    """A loop that rests, and how long it wanted to wait before each of its rounds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.loops = Loops(CollectorRegistry(), lambda: self.now)
        self.rounds = 0
        self.pauses: list[float] = []
        self.over = asyncio.Event()
        self.wake = asyncio.Event()

        async def wait(event: asyncio.Event, seconds: float) -> None:
            self.pauses.append(seconds)
            waiting = [asyncio.create_task(each.wait()) for each in (event, self.over)]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            await end(waiting)
            self.over.clear()

        monkeypatch.setattr(rest, "wait_for_event", wait)

    async def step(self) -> None:
        self.rounds += 1

    async def next_round(self) -> None:
        before = self.rounds
        await eventually(lambda: self.rounds > before and len(self.pauses) >= self.rounds)


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    made = Stage(monkeypatch)
    task = asyncio.create_task(
        made.loops.repeat("work", made.step, 1.0, wake=made.wake, rests=True)
    )
    await eventually(lambda: made.pauses)
    yield made
    await end([task])


async def test_it_looks_seldom_after_a_while_without_events(stage: Stage) -> None:
    assert stage.pauses == [1.0]
    stage.now = AWAKE_SECONDS
    stage.over.set()
    await stage.next_round()
    assert stage.pauses == [1.0, REST_SECONDS]


async def test_what_happens_ends_the_rest_at_once(stage: Stage) -> None:
    stage.now = AWAKE_SECONDS
    stage.over.set()
    await stage.next_round()
    stage.loops.rest.stir()
    await stage.next_round()
    assert stage.pauses == [1.0, REST_SECONDS, 1.0]


async def test_its_own_wake_up_ends_the_rest_too(stage: Stage) -> None:
    stage.now = AWAKE_SECONDS
    stage.over.set()
    await stage.next_round()
    stage.wake.set()
    await stage.next_round()
    assert stage.pauses[:2] == [1.0, REST_SECONDS]


async def test_it_goes_on_where_nothing_is_ever_heard(stage: Stage) -> None:
    stage.now = AWAKE_SECONDS
    for _ in range(3):
        stage.over.set()
        await stage.next_round()
    assert stage.pauses == [1.0, *[REST_SECONDS] * 3]


async def test_a_loop_whose_pause_is_longer_keeps_it() -> None:
    now = AWAKE_SECONDS
    own = rest.Rest(lambda: now)
    now += AWAKE_SECONDS
    waiting = asyncio.create_task(own.pause(3600, None))
    await eventually(lambda: own._resting)
    own.stir()
    await waiting
