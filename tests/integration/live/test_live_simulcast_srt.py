"""A live that is sent on by SRT: what its target gets, and what its owner is told."""

import asyncio
import itertools
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from services.live.flv.tags import AUDIO, VIDEO, Tag, content
from services.live.simulcast.connection import TargetFailed
from services.live.simulcast.dialing import Dialer
from services.live.simulcast.sender import Sender
from services.live.srt.library import Library
from services.live.srt.listener import Connection, Listener
from services.live.srt.listening import Rejected
from shared.public_addresses import Reach
from tests.integration.live.simulcast_targets import offer, place, sender, sending, stop, target
from tests.integration.live.srt_targets import PASSPHRASE, srt_listener, srt_target, transport
from tests.support.flv_files import flv
from tests.support.live_publishers import Door, Kept, assert_a_stream
from tests.support.wait import eventually

LONG = 60.0


async def broadcasting(*senders: Sender) -> None:
    await eventually(
        lambda: {one.progress.state for one in senders} == {"broadcasting"}, timeout=LONG
    )


def has(door: Door, milliseconds: int, number: int = 0) -> bool:
    """Whether a connection has got so much."""
    tags = door.sinks[number].tags if len(door.sinks) > number else []
    return bool(tags) and tags[-1].milliseconds - tags[0].milliseconds >= milliseconds


async def received(door: Door, milliseconds: int) -> Kept:
    """The sink of the first connection, once it has got so much."""
    await eventually(lambda: has(door, milliseconds), timeout=LONG)
    return door.sinks[0]


def pictures(tags: list[Tag]) -> list[tuple[int, bool, str]]:
    """When each is decoded, from the first on; whether it is a key picture; its codec."""
    inside = [(tag.milliseconds, content(tag)) for tag in tags if tag.kind == VIDEO]
    found = [(at, each) for at, each in inside if each is not None and each.frames]
    return [(at - found[0][0], each.key, each.codec) for at, each in found]


@pytest.mark.parametrize(
    ("passphrase", "encoder"), [(None, "libx264"), (PASSPHRASE, "libx264"), (None, "libx265")]
)
async def test_a_target_gets_the_stream_as_it_is(
    library: Library, tmp_path: Path, passphrase: str | None, encoder: str
) -> None:
    tags = flv(tmp_path / "clip.flv", "-c:v", encoder, "-bf", "0", gop=25)
    async with srt_target(library, tmp_path, passphrase=passphrase) as (door, port):
        one = sending(transport(library, tmp_path, port, passphrase=passphrase))
        await broadcasting(one)
        offer(one, tags)
        kept = await received(door, 2500)
        await stop(one)
        async with asyncio.timeout(LONG):
            await kept.ended.wait()
    assert_a_stream(kept.tags)
    got = pictures(kept.tags)
    assert got == pictures(tags)[: len(got)]
    assert one.progress.dropped == 0
    # ffmpeg's folders are gone.
    assert [each for each in tmp_path.iterdir() if each.is_dir()] == []


async def test_a_live_without_sound_is_sent_too(library: Library, tmp_path: Path) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25, sound=False)
    async with srt_target(library, tmp_path) as (door, port):
        one = sending(transport(library, tmp_path, port))
        await broadcasting(one)
        offer(one, tags)
        kept = await received(door, 2000)
        await stop(one)
    assert {tag.kind for tag in kept.tags} & {AUDIO, VIDEO} == {VIDEO}


@pytest.mark.parametrize(
    ("wanted", "passphrase", "words"),
    [
        (PASSPHRASE, "another secret", "The passphrase is wrong."),
        (PASSPHRASE, None, "It wants a passphrase."),
        (None, PASSPHRASE, "It takes no passphrase."),
    ],
)
async def test_a_wrong_passphrase_is_told_in_words(
    library: Library, tmp_path: Path, wanted: str | None, passphrase: str | None, words: str
) -> None:
    async with srt_target(library, tmp_path, passphrase=wanted) as (door, port):
        one = sending(transport(library, tmp_path, port, passphrase=passphrase))
        await one.task
        assert door.asked == 0
    assert (one.progress.state, one.progress.error) == ("errored", words)


async def test_a_refused_stream_id_is_told_in_words(library: Library, tmp_path: Path) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25)
    async with srt_target(library, tmp_path) as (_, port):
        # It is refused after the handshake, and then in it.
        one = sending(transport(library, tmp_path, port, stream_id="wrong"))
        await goes_on(one, tags, lambda: one.progress.state == "errored")
    assert one.progress.error == "It refused the stream: the stream id is unknown."


async def goes_on(one: Sender, tags: list[Tag], until: Callable[[], bool]) -> None:
    """A publisher that goes on until something is so. ``tags``: 4 s."""
    turns = itertools.count()

    def step() -> bool:
        offer(one, tags, 4000 * next(turns))
        return until()

    await eventually(step, timeout=LONG)


async def test_a_target_that_goes_is_tried_until_it_is_back(
    library: Library, tmp_path: Path
) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25)
    pauses: list[float] = []
    back = asyncio.Event()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) > 1:
            await back.wait()

    async with srt_target(library, tmp_path) as (door, port):
        one = sending(transport(library, tmp_path, port), pause)
        await broadcasting(one)
        await goes_on(one, tags, lambda: has(door, 1000))
    await goes_on(one, tags, lambda: len(pauses) == 2)
    assert one.progress.state == "retrying"
    assert one.progress.error == "It does not answer."
    assert pauses == [1, 2]
    async with srt_target(library, tmp_path, port=port) as (door, _):
        back.set()
        await broadcasting(one)
        assert one.progress.error is None
        offer(one, tags)
        kept = await received(door, 2500)
        await stop(one)
    assert_a_stream(kept.tags)


async def test_a_slow_target_holds_up_nobody_and_costs_no_memory(
    library: Library, tmp_path: Path
) -> None:
    noise = ("-vf", "noise=alls=100:allf=t", "-b:v", "10M", "-preset", "ultrafast")
    tags = flv(tmp_path / "clip.flv", *noise, gop=25, size="640x360", seconds=2)
    size = sum(len(tag.body) for tag in tags)
    assert 1 << 20 < size < 6 << 20
    stuck = asyncio.Event()

    async def deaf(_: Connection) -> None:
        await stuck.wait()

    async with srt_listener(library, deaf) as port, target() as (door, other):
        slow = sending(transport(library, tmp_path, port))
        quick = sender(place(other))
        await broadcasting(slow, quick)
        sent = 0

        async def send() -> None:
            nonlocal sent
            offer(slow, tags, 2000 * sent)
            offer(quick, tags, 2000 * sent)
            sent += 1
            await eventually(lambda: len(quick._backlog) == 0, timeout=LONG)
            door.sinks[0].tags.clear()

        while not slow.progress.dropped:
            await send()
        before = resident()
        dropped = slow.progress.dropped
        for _ in range(40):
            await send()
        assert slow.progress.dropped > dropped + 20 * len(tags)
        assert slow._backlog._bytes <= 9 << 20
        assert resident() - before < 20 * size
        assert quick.progress.dropped == 0
        stuck.set()
        await stop(slow, quick)


def resident() -> int:
    """Bytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def test_what_mpeg_ts_does_not_have_is_said(library: Library, tmp_path: Path) -> None:
    async with srt_target(library, tmp_path) as (_, port):
        one = sending(transport(library, tmp_path, port))
        av1 = [Tag(VIDEO, 0, b"\x91av01picture")]
        await goes_on(one, av1, lambda: one.progress.state == "errored")
    assert one.progress.error == "MPEG-TS has no AV1: send H.264 or HEVC."


async def test_a_codec_that_changes_begins_anew(library: Library, tmp_path: Path) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25)
    other = flv(tmp_path / "other.flv", "-c:v", "libx265", gop=25)
    async with srt_target(library, tmp_path) as (door, port):
        one = sending(transport(library, tmp_path, port))
        await broadcasting(one)
        offer(one, tags)
        await received(door, 1000)
        await goes_on(one, other, lambda: has(door, 1000, number=1))
        await stop(one)
    assert {codec for _, _, codec in pictures(door.sinks[1].tags)} == {"hevc"}


async def test_a_refusal_in_the_handshake_has_words_of_its_own(
    library: Library, tmp_path: Path
) -> None:
    code = 1409
    listener = Listener(library, admit=lambda _, __: Rejected(code), serve=nobody, latency_ms=120)
    port = listener.open("127.0.0.1", 0)
    try:
        with pytest.raises(TargetFailed, match="another one is there already"):
            await transport(library, tmp_path, port).connect()
        code = 2000
        with pytest.raises(TargetFailed, match=r"^It refused the stream\.$"):
            await transport(library, tmp_path, port).connect()
    finally:
        await listener.close()


async def nobody(_: Connection) -> None:
    raise AssertionError("everybody is refused")


async def test_private_addresses_and_unknown_names_are_refused_alike(
    library: Library, tmp_path: Path
) -> None:
    asked: list[Connection] = []

    async def serve(connection: Connection) -> None:
        asked.append(connection)

    async with srt_listener(library, serve) as port:
        for host in ("localhost", "127.0.0.1", "no-such-host.invalid"):
            to = transport(library, tmp_path, port, dialer=Dialer(Reach()), host=host)
            with pytest.raises(TargetFailed) as refused:
                await to.connect()
            assert str(refused.value) == "The host is not on the internet."
    assert asked == []


async def test_a_sender_that_is_stopped_while_it_calls_leaves_no_thread(
    library: Library, tmp_path: Path
) -> None:
    async with srt_target(library, tmp_path) as (_, port):
        pass
    one = sending(transport(library, tmp_path, port))
    await eventually(lambda: callers() == 1, timeout=LONG)
    await stop(one)
    await eventually(lambda: callers() == 0, timeout=LONG)


def callers() -> int:
    return sum(thread.name.startswith("srt caller") for thread in threading.enumerate())
