"""How the HTTP/1.1 client reads answers, right and wrong ones."""

import asyncio

import pytest

from services.gateway.http1.h1_errors import BadAnswer
from tests.support.wait import eventually
from tests.unit.gateway.h1_peer import GET, OK, Peer, saying, serving, whole


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
    answered = asyncio.Event()

    async def talk(peer: Peer) -> None:
        await peer.head()
        await peer.say(OK)
        await answered.wait()
        await peer.say(OK.replace(b"ok", b"no"))
        await peer.gone()

    async with serving(talk) as (pool, _):
        assert await whole(await pool.request(GET)) == b"ok"
        assert pool.idle
        answered.set()
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
