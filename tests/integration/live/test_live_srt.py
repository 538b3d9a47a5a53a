"""Publishers by SRT: libsrt itself, and ffmpeg as the publisher."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.live.doorkeeper import Doorkeeper
from services.live.packaging.child import Program
from services.live.srt.calls import SrtError
from services.live.srt.library import Library
from services.live.srt.listener import Connection, Listener
from services.live.srt.listening import Admitted, Rejected
from services.live.srt.logins import Claim
from services.live.srt.publishers import SrtPublishers
from services.live.srt.stream_id import resource_of
from shared.programs.confinement import Limits
from shared.programs.finding import find_ffmpeg
from tests.support.live_publishers import KEY, Door, assert_a_stream
from tests.support.wait import eventually

PASSPHRASE = "ten letters or more"
# Bytes that a connection holds for its reader.
FULL = 4 * 1024 * 1024
Serve = Callable[[Connection], Awaitable[None]]


def admit(stream_id: str, _: str) -> Admitted | Rejected:
    match resource_of(stream_id):
        case "good":
            return Admitted()
        case "secret":
            return Admitted(PASSPHRASE)
        case _:
            return Rejected(1401)


@asynccontextmanager
async def listening(library: Library, serve: Serve) -> AsyncIterator[str]:
    listener = Listener(library, admit=admit, serve=serve, latency_ms=120)
    port = listener.open("127.0.0.1", 0)
    try:
        yield f"srt://127.0.0.1:{port}"
    finally:
        await listener.close()


async def publish(url: str, seconds: float = 1.5) -> int:
    """ffmpeg's exit status."""
    picture = ("-f", "lavfi", "-t", str(seconds), "-i", "testsrc=size=160x90:rate=25")
    encode = ("-c:v", "mpeg2video", "-f", "mpegts", url)
    process = await asyncio.create_subprocess_exec(
        find_ffmpeg(None), "-v", "quiet", "-re", *picture, *encode
    )
    return await process.wait()


class Received:
    """Counts the bytes of each publisher; set when one has gone."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self.gone = asyncio.Event()

    async def __call__(self, connection: Connection) -> None:
        size = 0
        while data := await connection.read():
            size += len(data)
        self.sizes[connection.stream_id] = size
        self.gone.set()


async def test_a_listener_that_nobody_has_called_ends(library: Library) -> None:
    listener = Listener(library, admit=admit, serve=Received(), latency_ms=120)
    port = listener.open("127.0.0.1", 0)
    await listener.close()

    def is_free() -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
        return True

    await eventually(is_free)


@pytest.mark.parametrize("stream_id", ["good", "%23!::r=good,m=publish"])
async def test_what_a_publisher_sends_arrives(library: Library, stream_id: str) -> None:
    received = Received()
    async with listening(library, received) as url:
        # What is younger than the latency at the end is lost, as SRT has it.
        assert await publish(f"{url}?streamid={stream_id}") == 0
        async with asyncio.timeout(60):
            await received.gone.wait()
    (size,) = received.sizes.values()
    assert size > 0
    assert size % 188 == 0


@pytest.mark.parametrize(
    "query",
    [
        "streamid=wrong",
        "latency=120",
        "streamid=%23!::r=good,m=request",
        "streamid=secret",
        "streamid=secret&passphrase=another secret",
    ],
)
async def test_others_are_refused_in_the_handshake(library: Library, query: str) -> None:
    received = Received()
    async with listening(library, received) as url:
        assert await publish(f"{url}?{query}") != 0
        assert await publish(f"{url}?streamid=secret&passphrase={PASSPHRASE}") == 0
        async with asyncio.timeout(60):
            await received.gone.wait()
    assert list(received.sizes) == ["secret"]


async def test_a_slow_reader_costs_no_memory(library: Library) -> None:
    held: list[Connection] = []
    go_on, read = asyncio.Event(), asyncio.Event()
    most = 0

    async def slow(connection: Connection) -> None:
        nonlocal most
        held.append(connection)
        await go_on.wait()
        while data := await connection.read():
            most = max(most, len(data))
        read.set()

    async with listening(library, slow) as url:
        noise = ("-re", "-f", "rawvideo", "-video_size", "320x240", "-framerate", "25")
        sending = await asyncio.create_subprocess_exec(
            *(find_ffmpeg(None), "-v", "quiet", *noise, "-t", "60", "-i", "/dev/urandom"),
            *("-c:v", "mpeg2video", "-q:v", "1", "-f", "mpegts", f"{url}?streamid=good"),
        )
        await eventually(lambda: held and len(held[0]._held) >= FULL)
        sending.kill()
        await sending.wait()
        go_on.set()
        async with asyncio.timeout(60):
            await read.wait()
    assert FULL <= most <= FULL + 1500


async def test_the_listener_ends_publishers_that_are_still_there(library: Library) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def take(connection: Connection) -> None:
        begun.set()
        while await connection.read():
            pass
        ended.set()

    async with listening(library, take) as url:
        publishing = asyncio.create_task(publish(f"{url}?streamid=good", seconds=60))
        async with asyncio.timeout(60):
            await begun.wait()
    assert ended.is_set()
    async with asyncio.timeout(60):
        assert await publishing != 0


async def test_the_listener_waits_for_what_it_has_cancelled(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.live.srt.listener._STOP_SECONDS", 0.0)
    begun, left = asyncio.Event(), False

    async def takes_its_time(_: Connection) -> None:
        nonlocal left
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            # As a session is that has something to store.
            await asyncio.to_thread(lambda: None)
            left = True

    async with listening(library, takes_its_time) as url:
        publishing = asyncio.create_task(publish(f"{url}?streamid=good", seconds=60))
        async with asyncio.timeout(60):
            await begun.wait()
    assert left
    async with asyncio.timeout(60):
        await publishing


async def test_transport_streams_become_tags(library: Library, tmp_path: Path) -> None:
    door = Door()
    limits = Limits(seconds=0, cpu_seconds=60, memory_bytes=1 << 30, file_bytes=1 << 20, nice=0)
    publishers = SrtPublishers(
        Doorkeeper(door, wrong_keys=2),
        Program(find_ffmpeg(None), tmp_path, limits),
        lambda stream_id: Claim(stream_id, PASSPHRASE),
    )
    listener = Listener(library, admit=publishers.admit, serve=publishers.serve, latency_ms=120)
    url = f"srt://127.0.0.1:{listener.open('127.0.0.1', 0)}"
    try:
        sources = ("-f", "lavfi", "-i", "testsrc=size=160x90:rate=15", "-f", "lavfi", "-i", "sine")
        encode = ("-c:v", "libx264", "-g", "15", "-preset", "ultrafast", "-c:a", "aac")
        process = await asyncio.create_subprocess_exec(
            *(find_ffmpeg(None), "-v", "quiet", "-re", *sources, "-t", "5", *encode),
            *("-f", "mpegts", f"{url}?streamid={KEY}&passphrase={PASSPHRASE}"),
        )
        assert await process.wait() == 0
        (sink,) = door.sinks
        async with asyncio.timeout(60):
            await sink.ended.wait()
        # A wrong key is refused, and then in the handshake.
        for _ in range(3):
            await publish(f"{url}?streamid=wrong&passphrase={PASSPHRASE}")
        assert door.asked == 2
        # Nor does a guesser get an answer for each of its keys.
        for key in ("b", "c", "d"):
            await publish(f"{url}?streamid={key}&passphrase={PASSPHRASE}")
        assert door.asked == 3
    finally:
        await listener.close()
    assert sink.closed == ("the publisher has gone", False)
    assert (door.publishers[0].protocol, door.publishers[0].address) == ("srt", "127.0.0.1")
    assert_a_stream(sink.tags)
    assert list(tmp_path.iterdir()) == []


def test_a_library_that_is_not_there_is_said(library: Library) -> None:
    with pytest.raises(SrtError, match="cannot be loaded"):
        Library(os.devnull)
