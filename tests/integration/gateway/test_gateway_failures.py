"""Services that fail, and a gateway that stops."""

import asyncio

import httpx
import pytest

from services.gateway.http1.h1_pool import TICK_SECONDS
from services.gateway.request.routes import Target
from tests.integration.gateway.rig import Peer, Request, Rig, Service, running_gateway
from tests.integration.gateway.wire import EVENTS, TAGS, envelope
from tests.support.wait import eventually


async def test_a_service_that_is_not_there_is_a_bad_gateway_and_then_given_a_rest(redis_url: str):
    async with Service().running() as service:
        pass
    async with (
        running_gateway(service, redis_url) as rig,
        httpx.AsyncClient(base_url=rig.url, trust_env=False) as client,
    ):
        answers = [await client.get(TAGS) for _ in range(7)]
        envelope(answers[0], 502, "bad_gateway")
        envelope(answers[-1], 503, "unavailable")
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert [answer.status_code for answer in answers] == [502] * 5 + [503] * 2
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/ready")).status_code == 503


@pytest.mark.parametrize(
    "garbage",
    [b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab"],
)
async def test_a_service_that_speaks_no_http_is_a_bad_gateway(
    client: httpx.AsyncClient, service: Service, garbage: bytes
):
    async def handler(_: Request, peer: Peer) -> None:
        await peer.say(garbage)
        raise ConnectionError

    service.handler = handler
    envelope(await client.get(TAGS), 502, "bad_gateway")


async def test_an_answer_that_breaks_off_is_not_passed_off_as_whole(
    client: httpx.AsyncClient, service: Service
):
    async def handler(_: Request, peer: Peer) -> None:
        await peer.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        raise ConnectionError

    service.handler = handler
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get(EVENTS)


async def test_a_service_that_comes_back_is_used_once_it_says_that_it_is_ready(
    client: httpx.AsyncClient, service: Service
):
    async def broken(_: Request, peer: Peer) -> None:
        raise ConnectionError

    service.handler = broken
    for _ in range(6):
        answer = await client.post("/api/v1/tags/1", json={})
    envelope(answer, 503, "unavailable")
    service.handler = service.echo
    assert (await client.get("/ready")).status_code == 200
    assert (await client.post("/api/v1/tags/1", json={})).status_code == 200


async def test_a_service_that_does_not_answer_is_a_timeout(
    client: httpx.AsyncClient, service: Service, rig: Rig
):
    async def handler(_: Request, peer: Peer) -> None:
        await peer.gone()

    service.handler = handler
    pool = rig.app._handlers[Target.CATALOG]._upstreams["catalog"]._pool
    asking = asyncio.create_task(client.get(TAGS))
    await eventually(lambda: pool.busy)
    for _ in range(int(31 / TICK_SECONDS)):  # half a minute passes
        pool.tick()
    answer = await asking
    envelope(answer, 504, "gateway_timeout")
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_lost_keepalive_connection_is_not_an_error_for_a_get(
    client: httpx.AsyncClient, service: Service
):
    async def once(request: Request, peer: Peer) -> None:
        await service.echo(request, peer)
        await peer.reader.readuntil(b"\r\n\r\n")
        raise ConnectionError

    service.handler = once
    assert (await client.get(TAGS)).status_code == 200
    assert (await client.get(TAGS)).status_code == 200
    envelope(await client.post("/api/v1/tags/1", json={}), 502, "bad_gateway")


async def test_a_request_under_way_is_finished_before_the_gateway_stops(
    service: Service, redis_url: str
):
    go = asyncio.Event()

    async def handler(request: Request, peer: Peer) -> None:
        await go.wait()
        await service.echo(request, peer)

    service.handler = handler
    async with httpx.AsyncClient(trust_env=False) as client:
        async with running_gateway(service, redis_url) as rig:
            asking = asyncio.create_task(client.get(rig.url + TAGS))
            await eventually(lambda: service.requests)
            asyncio.get_running_loop().call_later(0.2, go.set)
        assert (await asking).status_code == 200
