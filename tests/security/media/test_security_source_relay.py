"""The relay inside the worker shows a source to those who know its path, and nothing else."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop

from services.transcoder.encoding.source_relay import SourceRelay
from shared.blobs.store import BlobNotFound, BlobStore, BlobStoreUnavailable
from tests.integration.transcoder.counted import Counted

DATA = bytes(range(256)) * 40


async def asked(port: int, request: bytes) -> tuple[bytes, bytes]:
    """The head and the body of an answer; empty where there is none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        answer = await reader.read()
    except ConnectionError:
        answer = b""
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


def get(address: str, fields: str = "") -> tuple[int, bytes]:
    host, path = address.removeprefix("http://").split("/")
    return int(host.split(":")[1]), f"GET /{path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode()


@pytest.mark.parametrize(
    ("fields", "status", "start", "end"),
    [
        ("", b"200", 0, len(DATA)),
        ("Range: bytes=0-\r\n", b"206", 0, len(DATA)),
        ("range: bytes=100-199\r\n", b"206", 100, 200),
        ("Range: bytes=10000-99999999\r\n", b"206", 10_000, len(DATA)),
        (f"Range: bytes={len(DATA)}-\r\n", b"416", 0, 0),
        ("Range: bytes=5-4\r\n", b"416", 0, 0),
        ("Range: bytes=99999999999999999999999-\r\n", b"200", 0, len(DATA)),
    ],
)
async def test_ranges(tmp_path: Path, fields: str, status: bytes, start: int, end: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(DATA)
    async with SourceRelay().serving() as relay:
        head, body = await asked(*get(relay.share(Counted(source).store, "key", len(DATA)), fields))
    assert head.split(b" ")[1] == status
    assert body == DATA[start:end]
    if status == b"206":
        assert f"Content-Range: bytes {start}-{end - 1}/{len(DATA)}".encode() in head


@pytest.mark.parametrize(
    ("fields", "start", "end"),
    [
        ("", 16, len(DATA)),
        ("Range: bytes=100-199\r\n", 116, 216),
        ("Range: bytes=0-\r\n", 16, None),
    ],
)
async def test_what_comes_first_may_be_left_out(
    tmp_path: Path, fields: str, start: int, end: int | None
) -> None:
    source = tmp_path / "source"
    source.write_bytes(DATA)
    async with SourceRelay().serving() as relay:
        store = Counted(source).store
        _, body = await asked(*get(relay.share(store, "key", len(DATA), 16), fields))
    assert body == DATA[start:end]


async def test_only_known_paths_and_get_are_answered(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(DATA)
    async with SourceRelay().serving() as relay:
        port, good = get(relay.share(Counted(source).store, "key", len(DATA)))
        for request in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET /key HTTP/1.1\r\n\r\n",
            b"GET /../key HTTP/1.1\r\n\r\n",
            good.replace(b"GET", b"PUT"),
            b"\r\n\r\n",
        ):
            head, body = await asked(port, request)
            assert head.startswith(b"HTTP/1.1 404")
            assert body == b""
        assert (await asked(port, b"x" * 50_000))[1] == b""
        assert (await asked(port, good))[1] == DATA


class Failing(Counted):
    """A storage that fails after so many parts."""

    def __init__(self, source: Path, parts: int, error: Exception) -> None:
        super().__init__(source)
        self._parts, self._error = parts, error

    async def open(self, _key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        for _ in range(self._parts):
            yield self.take(start, start + 100)
        raise self._error


@pytest.mark.parametrize(
    ("parts", "error", "head"),
    [
        (0, BlobStoreUnavailable("away"), b"HTTP/1.1 503"),
        (0, BlobNotFound("gone"), b"HTTP/1.1 404"),
    ],
)
async def test_a_storage_that_fails(
    tmp_path: Path, parts: int, error: Exception, head: bytes
) -> None:
    source = tmp_path / "source"
    source.write_bytes(DATA)
    async with SourceRelay().serving() as relay:
        store = cast(BlobStore, Failing(source, parts, error))
        found, _ = await asked(*get(relay.share(store, "key", len(DATA))))
    assert found.startswith(head)


async def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(DATA)
    async with SourceRelay().serving() as relay:
        store = cast(BlobStore, Failing(source, 2, BlobStoreUnavailable("away")))
        _, body = await asked(*get(relay.share(store, "key", len(DATA))))
    assert len(body) < len(DATA)


class Slow(Counted):
    """A storage that answers on when who asked has gone."""

    def __init__(self, source: Path) -> None:
        super().__init__(source)
        self.gone, self.ended = asyncio.Event(), asyncio.Event()

    async def open(self, _key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        try:
            yield self.take(start, start + 100)
            await self.gone.wait()
            # The loop learns of it: what a peer on this machine has sent is there to be read.
            for _ in range(100):
                await asyncio.sleep(0)
            yield self.take(start + 100, start + 200)
        finally:
            self.ended.set()


def test_who_goes_while_the_storage_is_asked_is_no_error(tmp_path: Path) -> None:
    """As ffmpeg does at each seek; on the loop that the worker uses."""
    source = tmp_path / "source"
    source.write_bytes(DATA)
    errors: list[dict[str, Any]] = []

    async def leave() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, error: errors.append(error))
        async with SourceRelay().serving() as relay:
            slow = Slow(source)
            port, request = get(relay.share(cast(BlobStore, slow), "key", len(DATA)))
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            await reader.readuntil(b"\r\n\r\n")
            reset = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            writer.transport.abort()
            await asyncio.sleep(0)
            slow.gone.set()
            await slow.ended.wait()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(leave(), 60))
    assert errors == []


async def test_paths_of_sources_that_are_not_used_are_forgotten(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(DATA)
    store = Counted(source).store
    async with SourceRelay().serving() as relay:
        port, first = get(relay.share(store, "key", len(DATA)))
        _, second = get(relay.share(store, "other", len(DATA)))
        assert get(relay.share(store, "key", len(DATA))) == (port, first)
        for number in range(510):
            relay.share(store, f"key-{number}", len(DATA))
        # What is read is in use.
        assert (await asked(port, second))[1] == DATA
        relay.share(store, "one more", len(DATA))
        assert (await asked(port, second))[1] == DATA
        assert (await asked(port, first))[0].startswith(b"HTTP/1.1 404")
