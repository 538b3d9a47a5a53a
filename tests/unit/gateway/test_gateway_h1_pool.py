"""Connections of the HTTP/1.1 client: kept, shared out, waited for, replaced."""

import asyncio

import pytest

from services.gateway.http1.h1_errors import BadAnswer, Overloaded, Unreachable
from services.gateway.http1.h1_pool import Pool, PoolLimits
from tests.support.wait import eventually
from tests.unit.gateway.h1_peer import GET, OK, Peer, Talk, saying, serving, whole


async def test_connections_are_reused_the_latest_first_and_closed_when_idle():
    async with serving(saying(*[OK] * 10), PoolLimits(idle=1.0)) as (pool, server):
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

    async with serving(talk, PoolLimits(connections=1, waiting=3)) as (pool, server):
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

    async with serving(talk, PoolLimits(connections=1, wait=0.05)) as (pool, _):
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

    async with serving(talk, PoolLimits(connections=1)) as (pool, _):
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
