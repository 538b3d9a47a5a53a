"""Bodies and event streams: whole, at the slower side's pace, and ended when somebody leaves."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import psutil
import pytest

from tests.integration.gateway.rig import Peer, Request, Rig, Service
from tests.integration.gateway.wire import EVENTS, UPLOAD, envelope, posting
from tests.support.wait import eventually


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_arrives_whole(
    client: httpx.AsyncClient, service: Service, size: int, chunked: bool
):
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]

    async def parts() -> AsyncIterator[bytes]:
        for at in range(0, len(data), 100_000):
            yield data[at : at + 100_000]

    answer = await client.post(UPLOAD, content=parts() if chunked else data)
    assert answer.json()["data"]["size"] == size
    assert service.requests[-1].body == data


async def test_a_body_over_the_limit_is_refused_before_it_is_sent(
    client: httpx.AsyncClient, service: Service
):
    envelope(await client.patch("/api/v1/users/email", content=b"x" * 65_537), 413, "too_large")
    assert not service.requests


async def test_a_body_over_the_limit_is_noticed_while_it_is_pumped(
    client: httpx.AsyncClient, service: Service
):
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 10_000

    envelope(await client.patch("/api/v1/users/email", content=parts()), 413, "too_large")


async def test_the_services_early_refusal_reaches_a_client_that_is_still_sending(
    rig: Rig, service: Service
):
    async def handler(_: Request, peer: Peer) -> None:
        await peer.answer(413, {"success": False, "error": {"code": 413}}, connection="close")
        await peer.gone()

    service.handler = handler
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    writer.write(posting(1_000_000))
    writer.write(b"x" * 200_000)
    status = await asyncio.wait_for(reader.readline(), 10)
    assert status.startswith(b"HTTP/1.1 413")
    writer.close()


async def test_a_gigantic_body_passes_in_constant_memory(rig: Rig, service: Service):
    """128 MiB up and down, to and from peers that are slow to take it."""
    total = 128 * 1024 * 1024
    block = b"x" * 1_048_576
    process = psutil.Process()
    peak = 0

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, process.memory_info().rss)
            await asyncio.sleep(0.01)

    async def handler(request: Request, peer: Peer) -> None:
        received = 0
        async for part in peer.body(request):
            received += len(part)
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % received)
        for _ in range(received // len(block)):
            await peer.say(block)

    service.handler = handler
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    writer.write(posting(total))
    await writer.drain()
    before = process.memory_info().rss
    watcher = asyncio.create_task(watch())
    for _ in range(total // len(block)):
        writer.write(block)
        await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"\r\ncontent-length: %d\r\n" % total in head
    left = total
    while left:
        data = await reader.read(1_048_576)
        assert data, f"cut off {left} bytes before the end"
        left -= len(data)
    watcher.cancel()
    writer.close()
    # The test's own peers live in this process too.
    assert peak - before < 48 * 1024 * 1024


async def test_events_pass_as_they_happen(client: httpx.AsyncClient, service: Service):
    go = asyncio.Event()

    async def handler(_: Request, peer: Peer) -> None:
        await peer.say(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        for number in range(3):
            event = b"data: %d\n\n" % number
            await peer.say(b"%x\r\n%b\r\n" % (len(event), event))
            await go.wait()
            go.clear()
        await peer.say(b"0\r\n\r\n")

    service.handler = handler
    async with client.stream("GET", EVENTS) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        number = 0
        async for part in answer.aiter_raw():
            # The service says the next one only after this one has come through.
            assert part == b"data: %d\n\n" % number
            number += 1
            go.set()
        assert number == 3


@pytest.mark.parametrize("begun", [True, False])
async def test_a_client_that_hangs_up_ends_the_request_at_the_service(
    rig: Rig, service: Service, begun: bool
):
    ended = asyncio.Event()

    async def handler(_: Request, peer: Peer) -> None:
        if begun:
            await peer.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
        await peer.gone()
        ended.set()

    service.handler = handler
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    writer.write(b"GET %b HTTP/1.1\r\nhost: x\r\n\r\n" % EVENTS.encode())
    if begun:
        await reader.readuntil(b"\r\n\r\n")
    else:
        await eventually(lambda: service.requests)
    writer.close()
    await asyncio.wait_for(ended.wait(), 10)


async def test_a_client_that_hangs_up_while_sending_ends_the_request_at_the_service(
    rig: Rig, service: Service
):
    ended = asyncio.Event()

    async def handler(_: Request, peer: Peer) -> None:
        await peer.gone()
        ended.set()

    service.handler = handler
    _, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    writer.write(posting(1_000_000))
    writer.write(b"x" * 100_000)
    await eventually(lambda: service.requests)
    writer.close()
    await asyncio.wait_for(ended.wait(), 10)
