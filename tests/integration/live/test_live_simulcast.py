"""A live that is sent on: what its target gets, and when it is given up."""

import asyncio
from pathlib import Path
from typing import Any

from services.live.flv.tags import VIDEO, Tag
from services.live.rtmp.server import RtmpServer
from tests.integration.live.simulcast_targets import (
    BIND,
    offer,
    place,
    sender,
    stop,
    target,
)
from tests.support.flv_files import flv
from tests.support.live_publishers import Door, Kept, assert_a_stream
from tests.support.wait import eventually


async def test_a_target_gets_the_stream_as_it_is(tmp_path: Path) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25)
    async with target() as (door, port):
        one = sender(place(port))
        await eventually(lambda: one.progress.state == "broadcasting")
        offer(one, tags)
        await eventually(lambda: len(door.sinks[0].tags) >= len(tags) - 3)
        await stop(one)
        (kept,) = door.sinks
        async with asyncio.timeout(60):
            await kept.ended.wait()
        assert kept.closed is not None
        assert kept.closed[1], "it says that it ends"
    assert_a_stream(kept.tags)
    sent = [tag.body for tag in tags if tag.kind == VIDEO]
    assert [tag.body for tag in kept.tags if tag.kind == VIDEO][1:] == sent[1 : len(sent)]


async def test_a_target_that_comes_back_gets_it_from_the_next_key_picture(tmp_path: Path) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25)
    async with target() as (door, port):
        one = sender(place(port))
        await eventually(lambda: one.progress.state == "broadcasting")
        offer(one, tags)
        await eventually(lambda: len(door.sinks[0].tags) > 50)
    await eventually(lambda: one.progress.state in ("retrying", "errored"))
    assert one.progress.error
    await stop(one)


async def test_a_target_that_is_away_is_given_up_after_a_while() -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async with target() as (_, port):
        pass
    one = sender(place(port), pause=pause)
    await one.task
    assert one.progress.state == "errored"
    assert one.progress.error == "It does not accept connections."
    assert pauses == [1, 2, 5, 10, 20, 30, 60, 60]
    offer(one, [Tag(VIDEO, 0, b"\x17\1\0\0\0")])
    assert len(one._backlog) == 0


async def test_a_wrong_key_is_told_in_the_targets_words_without_the_key() -> None:
    async with target() as (_, port):
        one = sender(place(port), key="wrong-key-9")
        await one.task
    assert one.progress.state == "errored"
    assert one.progress.error == "It refused the stream: no stream has this key"


async def test_a_slow_target_holds_up_nobody_and_loses_the_oldest(tmp_path: Path) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25, size="640x360")
    stuck = asyncio.Event()

    class Deaf(Kept):
        async def take(self, tag: Tag) -> None:
            await stuck.wait()

    class DeafDoor(Door):
        async def admit(self, key: str, publisher: Any) -> Kept:
            self.sinks.append(Deaf())
            return self.sinks[-1]

    slow_door = DeafDoor()
    server = RtmpServer(slow_door)
    async with target() as (door, port):
        slow, quick = sender(place(await server.listen(BIND))), sender(place(port))
        await eventually(lambda: {slow.progress.state, quick.progress.state} == {"broadcasting"})
        sink = door.sinks[0]
        for turn in range(60):
            offer(slow, tags, 4000 * turn)
            offer(quick, tags, 4000 * turn)
            await eventually(lambda: bool(sink.tags) and sink.tags[-1].milliseconds > 0)
            await eventually(lambda: len(quick._backlog) == 0)
            if slow.progress.dropped:
                break
        assert slow.progress.dropped > 0
        assert quick.progress.dropped == 0
        assert slow._backlog._bytes <= 9 << 20
        stuck.set()
        await stop(slow, quick)
    await server.close()
