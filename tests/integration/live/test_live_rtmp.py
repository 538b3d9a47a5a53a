"""Publishers over RTMP: real ffmpeg, and hand-made bytes for what no publisher does."""

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest
import uvloop

from services.live.doorkeeper import Doorkeeper
from services.live.flv.tags import AUDIO, SCRIPT, VIDEO, NotPlayable, Tag, content
from services.live.ports import Credential, Publisher, Refused
from services.live.rtmp import server as rtmp_server
from services.live.rtmp.server import Limits, RtmpServer
from shared.programs.finding import find_ffmpeg
from shared.settings import Address
from tests.support.rtmp_bytes import (
    AVC_HEADER,
    HANDSHAKE,
    chunk,
    command,
    picture,
    publish,
)
from tests.support.wait import eventually

LOCAL = Address("127.0.0.1", 0)
CLIENTS: list[asyncio.StreamWriter] = []


# Looks in a row at which nothing moves.
_STILL = 15


class Kept:
    """A sink that keeps everything, and may be slow."""

    def __init__(self) -> None:
        self.video_id = "video"
        self.tags: list[Tag] = []
        self.ended: tuple[str, bool] | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.waiting = False

    async def take(self, tag: Tag) -> None:
        self.waiting = not self.open.is_set()
        await self.open.wait()
        if tag.kind != SCRIPT:
            content(tag)
        self.tags.append(tag)

    async def close(self, reason: str, *, clean: bool) -> None:
        self.ended = reason, clean


class Door:
    def __init__(self) -> None:
        self.sinks: list[Kept] = []
        self.publishers: list[Publisher] = []

    async def admit(self, credential: Credential, publisher: Publisher) -> Kept:
        if credential != "good":
            raise Refused("unknown_key", "no stream has this key")
        self.sinks.append(Kept())
        self.publishers.append(publisher)
        return self.sinks[-1]


@asynccontextmanager
async def serving(
    limits: Limits | None = None, wrong_keys: int = 10
) -> AsyncGenerator[tuple[RtmpServer, Door, int]]:
    door = Door()
    server = RtmpServer(Doorkeeper(door, wrong_keys), limits)
    port = await server.listen(LOCAL)
    try:
        yield server, door, port
    finally:
        await server.close()
        while CLIENTS:
            CLIENTS.pop().transport.abort()
        # Aborted transports close their sockets in the next turn.
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def ffmpeg_publishes(port: int, key: str, *codecs: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        find_ffmpeg(None),
        *("-v", "error", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=10:duration=3"),
        *("-f", "lavfi", "-i", "sine=duration=3", *codecs, "-c:a", "aac", "-g", "10"),
        *("-pix_fmt", "yuv420p", "-f", "flv", f"rtmp://127.0.0.1:{port}/live/{key}"),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    return process.returncode or 0, said.decode()


async def send(port: int, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    CLIENTS.append(writer)
    writer.write(data)
    return reader, writer


async def answers(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(60):
        return await reader.read()


async def test_everything_that_ffmpeg_sends_arrives() -> None:
    async with serving() as (server, door, port):
        code, said = await ffmpeg_publishes(port, "good", "-c:v", "libx264")
        assert code == 0, said
        await eventually(lambda: door.sinks[0].ended)
        (sink,) = door.sinks
        assert sink.ended == ("unpublished", True)
        assert [sink.tags[i].kind for i in range(2)] == [SCRIPT, VIDEO]
        found = [(tag.kind, content(tag)) for tag in sink.tags if tag.kind != SCRIPT]
        frames = [kind for kind, inside in found if inside is not None and inside.frames]
        assert frames.count(VIDEO) == 30
        assert frames.count(AUDIO) >= 129
        assert "Lavf" in door.publishers[0].software
        await eventually(lambda: server.connections == 0)


@pytest.mark.parametrize(("encoder", "codec"), [("libx265", "hevc"), ("libsvtav1", "av1")])
async def test_newer_codecs_come_as_enhanced_rtmp(encoder: str, codec: str) -> None:
    quick = ("-preset", "ultrafast" if codec == "hevc" else "12")
    async with serving() as (_, door, port):
        code, said = await ffmpeg_publishes(port, "good", "-c:v", encoder, *quick)
        assert code == 0, said
        await eventually(lambda: door.sinks[0].ended)
        pictures = [content(tag) for tag in door.sinks[0].tags if tag.kind == VIDEO]
        frames = [inside for inside in pictures if inside is not None and inside.frames]
        assert {inside.codec for inside in frames} == {codec}
        assert frames[0].key
        assert len(frames) == 30


async def test_a_wrong_key_is_refused_in_words() -> None:
    async with serving() as (_, door, port):
        code, said = await ffmpeg_publishes(port, "bad", "-c:v", "libx264")
        assert code != 0
        assert "no stream has this key" in said
        assert door.sinks == []


async def test_a_guesser_is_not_asked_after_some_wrong_keys() -> None:
    async with serving(wrong_keys=2) as (_, door, port):
        for expected in (b"no stream has", b"no stream has", b"wrong stream keys"):
            reader, writer = await send(port, publish("guess"))
            assert expected in await answers(reader)
            writer.close()
        reader, writer = await send(port, publish("good"))
        assert b"wrong stream keys" in await answers(reader)
        writer.close()
        assert door.sinks == []


async def test_what_arrived_before_a_reset_is_handled_first() -> None:
    async with serving() as (_, door, port):
        _, writer = await send(port, publish() + chunk(9, AVC_HEADER, stream=1, number=6))
        await eventually(lambda: door.sinks and door.sinks[0].tags)
        writer.write(b"".join(picture(at, key=at == 0, size=3000) for at in range(0, 4000, 40)))
        await writer.drain()
        plain = writer.get_extra_info("socket")
        # A close with this option resets the connection.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await eventually(lambda: writer.transport.get_write_buffer_size() == 0)
        await eventually(lambda: len(door.sinks[0].tags) > 1)
        writer.transport.abort()
        await eventually(lambda: door.sinks[0].ended)
        assert door.sinks[0].ended is not None
        assert door.sinks[0].ended[1] is False


async def test_a_slow_consumer_slows_the_publisher_and_loses_nothing() -> None:
    count, size = 600, 50_000
    async with serving() as (_, door, port):
        _, writer = await send(port, publish() + chunk(9, AVC_HEADER, stream=1, number=6))
        await eventually(lambda: door.sinks and door.sinks[0].tags)
        (sink,) = door.sinks
        sink.open.clear()
        sent = asyncio.create_task(_send_slowly(writer, count, size))
        transport = writer.transport
        held: list[int] = []

        def stands_still() -> bool:
            held.append(transport.get_write_buffer_size())
            return held[-1] > size and len(held) > _STILL and set(held[-_STILL:]) == {held[-1]}

        await eventually(stands_still, 60)
        assert not sent.done()
        sink.open.set()
        await sent
        writer.write(command("deleteStream", None, 1.0))
        await eventually(lambda: sink.ended)
        assert sink.ended == ("unpublished", True)
        assert len(sink.tags) == count + 1
        assert [tag.milliseconds for tag in sink.tags[1:]] == list(range(0, 40 * count, 40))
        writer.close()


async def test_a_sink_that_takes_nothing_does_not_hold_up_the_servers_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rtmp_server, "_GOING_SECONDS", 0.2)
    async with serving() as (server, door, port):
        _, writer = await send(port, publish() + chunk(9, AVC_HEADER, stream=1, number=6))
        await eventually(lambda: door.sinks and door.sinks[0].tags)
        (sink,) = door.sinks
        sink.open.clear()
        writer.write(picture(0, key=True))
        await eventually(lambda: sink.waiting)

        async with asyncio.timeout(60):
            await server.close()

        assert sink.ended is not None
        assert server.connections == 0


async def _send_slowly(writer: asyncio.StreamWriter, count: int, size: int) -> None:
    for number in range(count):
        writer.write(picture(40 * number, key=number == 0, size=size))
        await writer.drain()


async def test_publishers_that_say_nothing_are_closed() -> None:
    limits = Limits(handshake=0.2, commands=0.3, idle=0.5)
    async with serving(limits) as (server, door, port):
        for data in (b"", HANDSHAKE[:700], HANDSHAKE, HANDSHAKE + command("connect", {})):
            reader, writer = await send(port, data)
            await answers(reader)
            writer.close()
        _, writer = await send(port, publish() + picture(0, key=True))
        await eventually(lambda: door.sinks and door.sinks[0].ended)
        assert door.sinks[0].ended == ("silent", False)
        assert len(door.sinks[0].tags) == 1
        writer.close()
        await eventually(lambda: server.connections == 0)


async def test_one_address_has_so_many_connections() -> None:
    async with serving(Limits(open_per_address=2)) as (server, door, port):
        open_ = [await send(port, publish()) for _ in range(2)]
        await eventually(lambda: len(door.sinks) == 2)
        third, writer = await send(port, publish())
        with suppress(ConnectionError):
            assert await answers(third) == b""
        assert len(door.sinks) == 2
        writer.close()
        for _, writer in open_:
            writer.close()
        await eventually(lambda: server.connections == 0)
        _, writer = await send(port, publish())
        await eventually(lambda: len(door.sinks) == 3)
        writer.close()


async def test_one_address_connects_so_often_in_a_minute() -> None:
    async with serving(Limits(connects=3, open_per_address=100)) as (_, door, port):
        clients = [await send(port, publish()) for _ in range(8)]

        def refused() -> int:
            return sum(reader.at_eof() or reader.exception() is not None for reader, _ in clients)

        await eventually(lambda: refused() == 5 and len(door.sinks) == 3)
        for _, writer in clients:
            writer.close()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (HANDSHAKE + command("connect", {"app": "vod"}), b"ends in /live"),
        (
            HANDSHAKE + command("connect", {"app": "live"}) + command("play", None, "x", stream=1),
            b"only receives",
        ),
        (publish(key=""), b"no stream has this key"),
        (publish(key="x" * 5000), b"no stream has this key"),
        (HANDSHAKE + command("publish", None, "good"), b""),
        (publish() + command("publish", None, "good", "live", stream=1), b""),
        (HANDSHAKE + command("connect", {"app": "live"}) + command("createStream", None) * 9, b""),
        (HANDSHAKE + chunk(20, b"\xff\xff"), b""),
        (HANDSHAKE + chunk(17, b""), b""),
        (b"GET / HTTP/1.1\r\n\r\n", b""),
    ],
)
async def test_what_no_publisher_does_ends_its_connection_alone(data: bytes, said: bytes) -> None:
    limits = Limits(commands=2, handshake=2)
    async with serving(limits) as (server, door, port):
        _, good = await send(port, publish())
        await eventually(lambda: door.sinks)
        reader, writer = await send(port, data)
        assert said in await answers(reader)
        writer.close()
        good.write(picture(0, key=True))
        await eventually(lambda: door.sinks[0].tags)
        assert door.sinks[0].ended is None
        good.close()
        await eventually(lambda: server.connections == 0)


async def test_a_codec_that_is_not_accepted_is_refused_in_words() -> None:
    async with serving() as (_, door, port):
        body = b"\x91vp09" + bytes(20)
        reader, writer = await send(port, publish() + chunk(9, body, stream=1, number=6))
        assert b"choose H.264, HEVC or AV1" in await answers(reader)
        writer.close()
        with pytest.raises(NotPlayable):
            content(Tag(VIDEO, 0, body))
        assert door.sinks[0].ended is not None


async def test_a_stop_tells_publishers_and_ends_them() -> None:
    async with serving() as (server, door, port):
        reader, writer = await send(port, publish() + picture(0, key=True))
        await eventually(lambda: door.sinks and door.sinks[0].tags)
        await server.close("come back in a moment")
        assert b"come back in a moment" in await answers(reader)
        writer.close()
        assert door.sinks[0].ended == ("come back in a moment", False)
        assert server.connections == 0


async def test_chunks_of_a_byte_do_not_hold_up_others() -> None:
    size = chunk(1, (1).to_bytes(4, "big"), number=2)
    body = bytes(100_000)
    head = chunk(9, AVC_HEADER, number=6)[:4] + len(body).to_bytes(3, "big") + b"\x09" + bytes(4)
    async with serving() as (_, door, port):
        _, tiny = await send(port, publish() + size + head + b"\xc6".join([b"\0"] * len(body)))
        await eventually(lambda: len(door.sinks) == 1)
        _, good = await send(port, publish())
        await eventually(lambda: len(door.sinks) == 2)
        good.write(picture(0, key=True))
        await eventually(lambda: door.sinks[1].tags)
        tiny.close()
        good.close()


def test_publishers_come_in_under_the_event_loop_of_processes() -> None:
    async def scenario() -> tuple[str, bool] | None:
        async with serving() as (_, door, port):
            _, writer = await send(port, publish() + picture(0, key=True, size=3_000_000))
            await eventually(lambda: door.sinks and door.sinks[0].tags)
            writer.write(command("deleteStream", None, 1.0))
            await eventually(lambda: door.sinks[0].ended)
            writer.close()
            return door.sinks[0].ended

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(scenario()) == ("unpublished", True)


async def test_ten_thousand_connects_of_an_address_hold_nobody_else_up() -> None:
    """The machine's own second address stands for another person."""
    async with serving(Limits(handshake=0.2)) as (server, door, port):
        _, good = await send(port, publish())
        await eventually(lambda: door.sinks)
        most = 0

        def connect_at_once(count: int) -> None:
            """In a thread, because the loop of this test is the server's."""
            for _ in range(count):
                with suppress(OSError), socket.socket() as caller:
                    caller.bind(("127.0.0.2", 0))
                    caller.connect(("127.0.0.1", port))
                    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        flood = asyncio.create_task(asyncio.to_thread(connect_at_once, 10_000))
        sent = 0
        while not flood.done():
            good.write(picture(40 * sent, key=sent == 0))
            sent += 1
            await eventually(lambda expected=sent: len(door.sinks[0].tags) == expected)
            most = max(most, server.connections)
        await flood
        assert sent > 10
        assert door.sinks[0].ended is None
        # As many connections as an address may have, and the good one.
        assert most <= 17
        good.close()
        await eventually(lambda: server.connections == 0)
        assert len(server._open) == 0


PINGS = chunk(4, bytes(6), number=2) * 30_000
ABORTS = chunk(2, bytes(4), number=2) * 30_000
CHUNKS_OF_A_BYTE = (
    chunk(1, (1).to_bytes(4, "big"), number=2)
    + chunk(9, AVC_HEADER, number=6)[:4]
    + (60_000).to_bytes(3, "big")
    + b"\x09"
    + bytes(4)
    + b"\xc6".join([b"\0"] * 60_000)
)
TAGS = chunk(22, (b"\x12\0\0\1" + bytes(7) + b"\0" + bytes(4)) * 1000, number=4) * 30


@pytest.mark.parametrize("flood", [PINGS, ABORTS, CHUNKS_OF_A_BYTE, TAGS])
@pytest.mark.parametrize("begun", [HANDSHAKE, publish()], ids=["a stranger", "a publisher"])
async def test_messages_without_end_end_their_connection_alone(flood: bytes, begun: bytes) -> None:
    async with serving() as (server, door, port):
        _, good = await send(port, publish())
        await eventually(lambda: len(door.sinks) == 1)
        reader, writer = await send(port, begun)
        stranger = begun == HANDSHAKE
        await eventually(lambda: stranger or len(door.sinks) == 2)
        writer.write(flood)
        if stranger:
            await eventually(lambda: server.connections == 1)
        else:
            assert b"too many messages" in await answers(reader)
        writer.close()
        good.write(picture(0, key=True))
        await eventually(lambda: door.sinks[0].tags)
        assert door.sinks[0].ended is None
        good.close()
        await eventually(lambda: server.connections == 0)


async def test_a_stranger_who_sends_too_much_is_not_read_any_further() -> None:
    sent = 0
    async with serving() as (_, _, port):
        _, writer = await send(port, HANDSHAKE)
        with suppress(ConnectionError):
            while sent < 200 << 20:
                writer.write(PINGS)
                await writer.drain()
                sent += len(PINGS)
    # What the system holds of it.
    assert sent < 40 << 20


async def test_what_was_held_up_for_a_minute_arrives_at_once() -> None:
    held_up = b"".join(picture(20 * n, key=n == 0) for n in range(60 * 60))
    held_up += b"".join(chunk(8, b"\xaf\x01abc", stream=1, at=20 * n) for n in range(60 * 100))
    async with serving() as (_, door, port):
        _, writer = await send(port, publish() + chunk(9, AVC_HEADER, stream=1, number=6) + held_up)
        await eventually(lambda: door.sinks and len(door.sinks[0].tags) == 1 + 60 * 160)
        assert door.sinks[0].ended is None
        writer.close()
