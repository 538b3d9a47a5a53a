"""How long a browser may send no picture after its network has changed."""

import asyncio
from typing import Any

import pytest
from aiortc import MediaStreamTrack

from services.live.flv.sink import Sink
from services.live.whip.peer import Peer
from tests.support.wait import eventually


class Quiet(MediaStreamTrack):
    """A track of which no picture comes until ``picture`` is set."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self.picture = asyncio.Event()

    async def recv(self) -> Any:
        await self.picture.wait()
        return "picture"


@pytest.fixture
def sink() -> Sink:
    class Nowhere:
        video_id = "video"

        async def take(self, tag: Any) -> None:
            raise AssertionError(tag)

        async def close(self, reason: str, *, clean: bool) -> None:
            raise AssertionError(reason)

    return Nowhere()


async def test_silence_counts_anew_when_ice_has_restarted(sink: Sink) -> None:
    peer, track = Peer(sink, lambda: None), Quiet()

    def deadline() -> float:
        return (peer._silence and peer._silence.when()) or 0.0

    track.picture.set()
    await peer._next_picture(track)
    track.picture.clear()
    waiting = asyncio.create_task(peer._next_picture(track))
    await eventually(lambda: deadline() > 0, 10)
    before = deadline()
    peer._restarted()
    once = deadline()
    # Who sends nothing is not kept by restarting again and again.
    peer._restarted()
    twice = deadline()
    track.picture.set()

    assert await waiting == "picture"
    assert before < once == twice
    await peer._connection.close()
