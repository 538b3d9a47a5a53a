"""The HTTP/1.1 client in time: silence, cancellation, back-pressure, early answers."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.gateway.http1.h1_client import HIGH_WATER, Response
from services.gateway.http1.h1_errors import Abandoned, SenderStalled, TimedOut, Unreachable
from services.gateway.http1.h1_pool import Pool, PoolLimits
from tests.support.wait import eventually
from tests.unit.gateway.h1_peer import GET, OK, Peer, saying, serving, whole


async def test_silence_ends_the_request():
    async def talk(peer: Peer) -> None:
        await peer.gone()

    async with serving(talk) as (pool, _):
        waiting = asyncio.create_task(pool.request(GET, timeout=1.0))
        await eventually(lambda: pool.busy)
        for _ in range(5):
            pool.tick()
        with pytest.raises(TimedOut):
            await waiting


async def test_a_slow_answer_is_reported_once():
    async def talk(peer: Peer) -> None:
        await peer.gone()

    slow: list[Response] = []
    async with serving(talk) as (pool, _):
        waiting = asyncio.create_task(pool.request(GET, on_slow=slow.append))
        await eventually(lambda: pool.busy)
        pool.tick()
        pool.tick()
        assert len(slow) == 1
        slow[0].close()
        with pytest.raises(Abandoned):
            await waiting


async def test_cancelling_ends_the_connection_at_the_other_side():
    ended = asyncio.Event()

    async def talk(peer: Peer) -> None:
        await peer.head()
        await peer.gone()
        ended.set()

    async with serving(talk) as (pool, _):
        waiting = asyncio.create_task(pool.request(GET))
        await eventually(lambda: pool.busy)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.wait_for(ended.wait(), 5)
        assert not pool.busy


async def test_closing_half_an_answer_ends_the_connection():
    ended = asyncio.Event()

    async def talk(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
        await peer.gone()
        ended.set()

    async with serving(talk) as (pool, _):
        response = await pool.request(GET)
        assert await response.read() == b"a"
        response.close()
        await asyncio.wait_for(ended.wait(), 5)
        assert not pool.idle
        with pytest.raises(Abandoned):
            await response.read()


async def test_reads_no_further_ahead_than_the_reader_allows():
    total, sent = 64 * 1024 * 1024, 0

    async def talk(peer: Peer) -> None:
        nonlocal sent
        await peer.head()
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % total)
        while sent < total:
            await peer.say(b"x" * 65536)
            sent += 65536
        await peer.gone()

    async with serving(talk) as (pool, _):
        response = await pool.request(GET)
        await eventually(lambda: sent > HIGH_WATER)
        before = -1
        while before != sent:  # until it stands still
            before = sent
            await asyncio.sleep(0.1)
        assert sent < 24 * 1024 * 1024  # the kernel's buffers, not ours
        received = 0
        while data := await response.read():
            received += len(data)
        assert received == total


async def test_a_body_is_sent_only_as_fast_as_it_is_taken():
    go = asyncio.Event()
    produced = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal produced
        while produced < 64 * 1024 * 1024:
            produced += 65536
            yield b"x" * 65536

    async def talk(peer: Peer) -> None:
        await peer.head()
        await go.wait()
        await peer.reader.readexactly(64 * 1024 * 1024)
        await peer.say(OK)

    async with serving(talk) as (pool, _):
        request = asyncio.create_task(pool.request(GET, body=body()))
        await eventually(lambda: produced > HIGH_WATER)
        before = -1
        while before != produced:
            before = produced
            await asyncio.sleep(0.1)
        assert produced < 24 * 1024 * 1024
        go.set()
        assert await whole(await request) == b"ok"
        assert pool.idle


async def test_an_early_answer_stops_the_body_and_the_connection_is_not_reused():
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65536

    refused = b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n"
    async with serving(saying(refused)) as (pool, _):
        response = await pool.request(GET, body=endless())
        assert response.status == 413
        assert not pool.idle


async def test_what_the_body_raises_is_raised_here():
    class Stop(Exception):
        pass

    async def body() -> AsyncIterator[bytes]:
        yield b"x"
        raise Stop

    async def talk(peer: Peer) -> None:
        await peer.gone()

    async with serving(talk) as (pool, _):
        with pytest.raises(Stop):
            await pool.request(GET, body=body())
        assert not pool.busy
        assert not pool.idle


async def test_a_body_that_stops_coming_is_the_senders_fault():
    async def body() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    async def talk(peer: Peer) -> None:
        await peer.gone()

    async with serving(talk, PoolLimits(sender=1.0)) as (pool, _):
        request = asyncio.create_task(pool.request(GET, body=body(), timeout=0.5))
        await eventually(lambda: pool.busy)
        for _ in range(5):
            pool.tick()
        with pytest.raises(SenderStalled):
            await request


async def test_many_requests_at_once_each_get_their_own_answer():
    async def talk(peer: Peer) -> None:
        while True:
            number = (await peer.head()).split(b" ")[1][1:]
            if int(number) % 7 == 0:
                await asyncio.sleep(0.001)
            await peer.say(
                b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(number), number)
            )

    async def one(pool: Pool, number: int) -> None:
        head = b"GET /%d HTTP/1.1\r\nhost: x\r\n\r\n" % number
        assert await whole(await pool.request(head)) == b"%d" % number

    async with serving(talk, PoolLimits(connections=8)) as (pool, server):
        await asyncio.gather(*(one(pool, number) for number in range(500)))
        assert server.connections <= 8
        assert len(pool.busy) + pool.connecting == 0


async def test_stopping_ends_what_waits():
    async def talk(peer: Peer) -> None:
        await peer.gone()

    async with serving(talk, PoolLimits(connections=1)) as (pool, _):
        requests = [asyncio.create_task(pool.request(GET)) for _ in range(3)]
        await eventually(lambda: len(pool.waiting) == 2)
        pool.close()
        for outcome in await asyncio.gather(*requests, return_exceptions=True):
            assert isinstance(outcome, Unreachable)
