"""The HTTP/1.1 client against servers that misbehave."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from services.gateway.h1_client import (
    HIGH_WATER,
    Abandoned,
    BadAnswer,
    Overloaded,
    Response,
    SenderStalled,
    TimedOut,
    Unreachable,
)
from services.gateway.h1_pool import Pool
from tests.support.wait import eventually

Talk = Callable[["Peer"], Awaitable[None]]
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Peer:
    """One accepted connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def gone(self) -> None:
        """Return when the other side has hung up."""
        while True:
            try:
                if not await self.reader.read(65536):
                    return
            except ConnectionError:
                return


class Server:
    """Runs `talk` for each connection; counts them."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.connections = 0
        self.requests = 0
        self.port = 0

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self.talk(Peer(reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(talk: Talk, **options: object) -> AsyncIterator[tuple[Pool, Server]]:
    server = Server(talk)
    listener = await asyncio.start_server(server.accept, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    pool = Pool("127.0.0.1", server.port, **options)  # type: ignore[arg-type]
    try:
        yield pool, server
    finally:
        pool.close()
        listener.close()
        await listener.wait_closed()


def saying(*answers: bytes, then: str = "keep") -> Talk:
    """Answer each request with the next of `answers`; then keep the connection or close it."""

    async def talk(peer: Peer) -> None:
        for answer in answers:
            await peer.head()
            await peer.say(answer)
        if then == "keep":
            await peer.gone()

    return talk


async def whole(response: Response) -> bytes:
    parts = []
    while data := await response.read():
        parts.append(data)
    return b"".join(parts)


# -- framing


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (OK, b"ok"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2;x=y\r\nok\r\n0\r\na: b\r\n\r\n",
            b"ok",
        ),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\n" + OK, b"ok"),
    ],
)
async def test_reads_every_legal_framing_and_keeps_the_connection(answer: bytes, body: bytes):
    async with serving(saying(answer, answer)) as (pool, server):
        for _ in range(2):
            response = await pool.request(GET)
            assert await whole(response) == body
            assert all(name != b"link" for name, _ in response.headers)
        assert server.connections == 1


async def test_reads_until_the_close_when_there_is_no_length():
    async with serving(saying(b"HTTP/1.1 200 OK\r\n\r\nuntil the end", then="close")) as (pool, _):
        response = await pool.request(GET)
        assert await whole(response) == b"until the end"
        assert not pool.idle


async def test_every_split_of_an_answer_reads_the_same():
    answer = b"HTTP/1.1 200 OK\r\nx-a: 1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"

    async def talk(peer: Peer) -> None:
        for at in range(1, len(answer)):
            await peer.head()
            await peer.say(answer[:at])
            await asyncio.sleep(0.001)
            await peer.say(answer[at:])

    async with serving(talk) as (pool, server):
        for _ in range(1, len(answer)):
            response = await pool.request(GET)
            assert response.headers == [(b"x-a", b"1")]
            assert await whole(response) == b"abc"
        assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1e3\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\x00b\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 400_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 5000,
    ],
)
async def test_refuses_what_is_not_http(answer: bytes):
    async with serving(saying(answer)) as (pool, _):
        with pytest.raises(BadAnswer):
            await whole(await pool.request(GET))
        assert not pool.idle
        assert not pool.busy


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-le",
    ],
)
async def test_a_body_that_is_cut_off_is_an_error_and_never_a_shorter_body(answer: bytes):
    async with serving(saying(answer, then="close")) as (pool, _):
        with pytest.raises(BadAnswer):
            await whole(await pool.request(GET))


async def test_the_answer_to_a_head_has_no_body_whatever_it_says():
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"
    async with serving(saying(answer, OK)) as (pool, server):
        response = await pool.request(GET, without_body=True)
        assert response.complete
        assert (b"content-length", b"1000") in response.headers
        assert await whole(await pool.request(GET)) == b"ok"
        assert server.connections == 1


async def test_a_body_after_a_head_does_not_become_the_next_answer():
    forged = b"HTTP/1.1 200 OK\r\ncontent-length: 45\r\n\r\n" + OK.replace(b"ok", b"no")
    async with serving(saying(forged, OK)) as (pool, server):
        assert (await pool.request(GET, without_body=True)).complete
        assert not pool.idle
        assert server.connections == 1


async def test_a_second_answer_to_one_request_is_never_given_to_the_next():
    async with serving(saying(OK + OK.replace(b"ok", b"no"), OK)) as (pool, _):
        assert await whole(await pool.request(GET)) == b"ok"
        assert not pool.idle


async def test_an_answer_nobody_asked_for_ends_the_connection():
    async def talk(peer: Peer) -> None:
        await peer.head()
        await peer.say(OK)
        await asyncio.sleep(0.02)
        await peer.say(OK.replace(b"ok", b"no"))
        await peer.gone()

    async with serving(talk) as (pool, _):
        assert await whole(await pool.request(GET)) == b"ok"
        await eventually(lambda: not pool.idle)


async def test_hop_by_hop_headers_and_those_named_by_connection_end_here():
    answer = (
        b"HTTP/1.1 200 OK\r\nConnection: close, X-Secret\r\nX-Secret: 1\r\nKeep-Alive: 5\r\n"
        b"X-Kept: 2\r\nContent-Length: 0\r\n\r\n"
    )
    async with serving(saying(answer)) as (pool, _):
        response = await pool.request(GET)
        assert response.headers == [(b"x-kept", b"2"), (b"content-length", b"0")]
        assert not pool.idle


# -- pooling and retry


async def test_connections_are_reused_the_latest_first_and_closed_when_idle():
    async with serving(saying(*[OK] * 10), idle_timeout=1.0) as (pool, server):
        first = await asyncio.gather(*(pool.request(GET) for _ in range(3)))
        assert [await whole(response) for response in first] == [b"ok"] * 3
        for _ in range(5):
            await whole(await pool.request(GET))
        assert server.connections == 3
        for _ in range(6):
            pool.tick()
        assert not pool.idle


def closing_after_one() -> Talk:
    """Each connection answers once and, at its second request, closes without a word."""

    async def talk(peer: Peer) -> None:
        await peer.head()
        await peer.say(OK)
        await peer.head()

    return talk


async def test_a_stale_connection_is_replaced_for_an_idempotent_request():
    async with serving(closing_after_one()) as (pool, server):
        await whole(await pool.request(GET))
        assert await whole(await pool.request(GET, idempotent=True)) == b"ok"
        assert server.connections == 2


async def test_but_never_for_one_that_may_have_had_an_effect():
    async with serving(closing_after_one()) as (pool, server):
        await whole(await pool.request(GET))
        with pytest.raises(Unreachable):
            await pool.request(GET, idempotent=False)
        assert server.connections == 1


async def test_nor_once_a_byte_came_back():
    async def talk(peer: Peer) -> None:
        await peer.head()
        await peer.say(OK)
        await peer.head()
        await peer.say(b"H")

    async with serving(talk) as (pool, server):
        await whole(await pool.request(GET))
        with pytest.raises(BadAnswer):
            await pool.request(GET, idempotent=True)
        assert server.connections == 1


async def test_nor_on_a_fresh_connection():
    async def talk(peer: Peer) -> None:
        await peer.head()

    async with serving(talk) as (pool, server):
        with pytest.raises(Unreachable):
            await pool.request(GET, idempotent=True)
        assert server.connections == 1


async def test_waiting_requests_are_served_in_order_and_beyond_the_queue_refused():
    release = asyncio.Event()
    order: list[int] = []

    async def talk(peer: Peer) -> None:
        while True:
            await peer.head()
            await release.wait()
            await peer.say(OK)

    async def one(pool: Pool, number: int) -> None:
        await whole(await pool.request(GET))
        order.append(number)

    async with serving(talk, max_connections=1, max_waiting=3) as (pool, server):
        tasks = [asyncio.create_task(one(pool, number)) for number in range(4)]
        await eventually(lambda: len(pool.waiting) == 3)
        with pytest.raises(Overloaded):
            await pool.request(GET)
        release.set()
        await asyncio.gather(*tasks)
        assert order == [0, 1, 2, 3]
        assert server.connections == 1


async def test_the_queue_gives_up_after_a_while():
    async def talk(peer: Peer) -> None:
        await peer.gone()

    async with serving(talk, max_connections=1, wait_timeout=0.05) as (pool, _):
        first = asyncio.create_task(pool.request(GET))
        await eventually(lambda: pool.busy)
        with pytest.raises(Overloaded):
            await pool.request(GET)
        assert not pool.waiting
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


async def test_a_cancelled_wait_does_not_lose_the_place():
    release = asyncio.Event()

    async def talk(peer: Peer) -> None:
        while True:
            await peer.head()
            await release.wait()
            await peer.say(OK)

    async with serving(talk, max_connections=1) as (pool, _):
        first = asyncio.create_task(pool.request(GET))
        await eventually(lambda: pool.busy)
        second, third = (asyncio.create_task(pool.request(GET)) for _ in range(2))
        await eventually(lambda: len(pool.waiting) == 2)
        second.cancel()
        release.set()
        await whole(await first)
        assert await whole(await third) == b"ok"
        assert len(pool.busy) + pool.connecting == 0


async def test_no_connection_is_told_apart_from_a_bad_answer():
    async with serving(saying(OK)) as (_, server):
        port = server.port
    pool = Pool("127.0.0.1", port)
    with pytest.raises(Unreachable):
        await pool.request(GET)
    assert pool.connecting == 0


# -- time, cancellation and back-pressure


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

    async with serving(talk, sender_timeout=1.0) as (pool, _):
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

    async with serving(talk, max_connections=8) as (pool, server):
        await asyncio.gather(*(one(pool, number) for number in range(500)))
        assert server.connections <= 8
        assert len(pool.busy) + pool.connecting == 0


async def test_stopping_ends_what_waits():
    async def talk(peer: Peer) -> None:
        await peer.gone()

    async with serving(talk, max_connections=1) as (pool, _):
        requests = [asyncio.create_task(pool.request(GET)) for _ in range(3)]
        await eventually(lambda: len(pool.waiting) == 2)
        pool.close()
        for outcome in await asyncio.gather(*requests, return_exceptions=True):
            assert isinstance(outcome, Unreachable)
