"""Who gets in where a replica is full: one rule, whatever the protocol."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from services.live.broadcasts.broadcast import Means, PublisherSink
from services.live.broadcasts.broadcasts import Broadcasts
from services.live.doorkeeper import Doorkeeper
from services.live.packaging.child import Program
from services.live.ports import Publisher, Refused
from services.live.whip.receiving import install
from services.live.whip.server import Whip
from shared.contracts import Event
from shared.programs.finding import find_ffmpeg
from tests.integration.live.harness import OBS, Live
from tests.integration.live.stage import LIMITS
from tests.support.live_fuzz import OFFER
from tests.support.memory_blobs import MemoryBlobs

ADDRESS = "192.0.2.1"


class Replica:
    """The first replica, which has a place for one session, and keeps another for a takeover."""

    def __init__(self, live: Live, folder: Path) -> None:
        means = Means(
            sessions=live.one.sessions,
            blobs=MemoryBlobs(),
            program=Program(find_ffmpeg(None), folder, LIMITS),
            scratch=folder / "one",
            heights=(),
        )
        self.broadcasts = Broadcasts(means, most=1, cores=64)
        self.whip = Whip(Doorkeeper(self.broadcasts))

    async def offer(self, key: str) -> None:
        await self.whip.publish(key, OFFER.decode(), address=ADDRESS, software="")

    async def refused(self, key: str) -> str:
        """How a publisher is refused; the same by WebRTC and by RTMP."""
        codes: set[str] = set()
        for attempt in (self.offer(key), self.broadcasts.admit(key, Publisher("rtmp", ADDRESS))):
            with pytest.raises(Refused) as refused:
                await attempt
            codes.add(refused.value.code)
        (code,) = codes
        return code


@pytest.fixture
async def replica(live: Live, tmp_path: Path) -> AsyncIterator[Replica]:
    install()
    made = Replica(live, tmp_path)
    yield made
    await made.whip.close()
    await made.broadcasts.close()


async def running_elsewhere(live: Live, user: str) -> str:
    """The key of a session whose owner was another replica, and is gone."""
    _, key = await live.stream(user)
    await live.two.sessions.connect(key, OBS)
    return key


async def test_a_full_replica_takes_over_by_webrtc_what_runs(live: Live, replica: Replica) -> None:
    _, first = await live.stream("ann")
    running = [await running_elsewhere(live, user) for user in ("bob", "cyd")]
    await live.age(3.1)
    await replica.offer(first)
    _, new = await live.stream("dan")
    assert await replica.refused(new) == "busy"
    await replica.offer(running[0])
    # The place that was kept is taken, too.
    assert replica.broadcasts.running == 2
    assert await replica.refused(running[1]) == "busy"
    assert await replica.refused(new) == "busy"


async def test_who_has_a_place_may_come_back_to_it(live: Live, replica: Replica) -> None:
    _, first = await live.stream("ann")
    second = await running_elsewhere(live, "bob")
    await live.age(3.1)
    await replica.offer(first)
    await replica.offer(second)
    # Its connection is lost, and it follows itself by another one.
    await live.age(3.1)
    await replica.offer(first)
    assert replica.broadcasts.running == 2


async def test_a_session_that_was_only_opened_needs_room_like_a_new_one(
    live: Live, replica: Replica
) -> None:
    _, first = await live.stream("ann")
    await replica.offer(first)
    live_id, opened = await live.stream("bob")
    # By a publisher that did not come in.
    await live.one.sessions._open((await live.one.streams._own("bob", live_id))[0])
    assert await replica.refused(opened) == "busy"
    assert replica.broadcasts.running == 1


async def test_guesses_of_keys_take_no_room(live: Live, replica: Replica) -> None:
    _, key = await live.stream("ann")
    publisher = Publisher("rtmp", ADDRESS)
    asking = [replica.broadcasts.admit(tried, publisher) for tried in (*["wrong"] * 5, key)]
    *guesses, sink = await asyncio.gather(*asking, return_exceptions=True)
    assert [getattr(guess, "code", None) for guess in guesses] == ["unknown_key"] * 5
    assert isinstance(sink, PublisherSink)


async def test_who_waits_for_the_storage_holds_up_nobody_else(
    live: Live, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await running_elsewhere(live, "bob")
    await live.age(3.1)
    _, new = await live.stream("ann")
    answers, asked = asyncio.Event(), asyncio.Event()
    history = live.one.sessions.history

    async def slow(video_id: str, after: int = 0) -> Sequence[Event]:
        asked.set()
        await answers.wait()
        return await history(video_id, after)

    monkeypatch.setattr(live.one.sessions, "history", slow)
    publisher = Publisher("rtmp", ADDRESS)
    await replica.broadcasts.admit(new, publisher)
    taking_over = asyncio.create_task(replica.broadcasts.admit(running, publisher))
    await asked.wait()
    await live.age(3.1)
    async with asyncio.timeout(60):
        await replica.broadcasts.admit(new, publisher)
    assert not taking_over.done()
    answers.set()
    await taking_over
