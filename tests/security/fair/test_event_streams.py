"""Event streams: they stay open, and take nothing from requests that do not."""

import asyncio
from functools import partial

import httpx

from services.gateway.request.routes import Open, Target, table
from tests.integration.gateway.rig import Peer, Request, Service, keys_known, running_gateway
from tests.security.fair.attackers import EVENTS, Client, hanging, others, streams
from tests.support.documents import ROOT
from tests.support.wait import eventually


async def test_streams_take_no_connection_from_other_requests(service: Service, redis_url: str):
    service.handler = partial(hanging, service)
    async with running_gateway(service, redis_url, max_streams=100) as rig:
        await keys_known(rig, service.token("ann"))
        catalog = rig.app._handlers[Target.CATALOG]._upstreams[Target.CATALOG]  # type: ignore[attr-defined]
        async with streams(rig.port, 100, lambda n: service.token(f"user-{n // 20}")):
            assert len(catalog._streams.busy) == 100
            assert not catalog._pool.busy
            assert await others(rig.port) < 5
            # The hundred-and-first finds no connection, and no other request notices.
            one_more = await Client.connect(rig.port)
            await one_more.ask(EVENTS.format(0), authorization=f"Bearer {service.token('eve')}")
            assert await one_more.status() == 503
            one_more.close()
            assert await others(rig.port) < 5
        await eventually(lambda: not catalog._streams.busy)


async def test_a_user_has_twenty_streams_and_gets_them_back(service: Service, redis_url: str):
    service.handler = partial(hanging, service)
    async with running_gateway(service, redis_url) as rig:
        await keys_known(rig, service.token("ann"))
        ann = {"authorization": f"Bearer {service.token('ann')}"}
        for _ in range(2):
            async with streams(rig.port, 20, lambda _: service.token("ann")) as opened:
                async with httpx.AsyncClient(base_url=rig.url, headers=ann) as client:
                    refused = await client.get(EVENTS.format(1))
                error = refused.json()["error"]
                assert (refused.status_code, error["type"]) == (429, "too_many_streams")
                assert int(refused.headers["retry-after"]) > 0
                # Somebody else at the same address is served.
                async with streams(rig.port, 1, lambda _: service.token("bob")):
                    pass
                opened[0].close()
                await eventually(lambda: rig.app._open_requests._open[Open.STREAM] <= 19)
                async with streams(rig.port, 1, lambda _: service.token("ann")):
                    pass
            await eventually(lambda: rig.app._open_requests._open[Open.STREAM] == 0)
        assert not rig.app._open_requests._by_user
        assert not rig.app._open_requests._by_address


async def test_an_address_has_its_own_limit_whatever_its_users(service: Service, redis_url: str):
    service.handler = partial(hanging, service)
    async with running_gateway(service, redis_url, max_streams_per_address=5) as rig:
        await keys_known(rig, service.token("ann"))
        async with streams(rig.port, 5, lambda n: service.token(f"user-{n}")):
            more = await Client.connect(rig.port)
            await more.ask(EVENTS.format(1), authorization=f"Bearer {service.token('eve')}")
            assert await more.status() == 429
            more.close()
            async with streams(rig.port, 1, lambda _: service.token("eve"), "127.0.0.9"):
                pass


async def test_every_way_out_of_a_stream_gives_its_place_back(service: Service, redis_url: str):
    """The service refuses, breaks off before and after the head, ends; the client goes away."""
    endings = {
        "refused": b"HTTP/1.1 404 X\r\ncontent-length: 0\r\n\r\n",
        "broken": b"HTTP/1.1 nonsense\r\n\r\n",
        "cut": b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nabc",
        "done": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    }

    async def handler(request: Request, peer: Peer) -> None:
        await peer.say(endings[request.headers["x-ending"]])
        peer.writer.close()

    service.handler = handler
    async with running_gateway(service, redis_url, max_streams_per_user=1) as rig:
        await keys_known(rig, service.token("ann"))
        for ending in endings:
            client = await Client.connect(rig.port)
            ann = f"Bearer {service.token('ann')}"
            await client.ask(EVENTS.format(1), authorization=ann, **{"x-ending": ending})
            async with asyncio.timeout(60):
                await client.reader.read(20)
            await eventually(lambda: rig.app._open_requests._open[Open.STREAM] == 0)
            client.close()
        assert not rig.app._open_requests._by_user


def test_every_route_that_streams_events_is_marked_as_such():
    """The table of the gateway against what the services' routes say of themselves."""
    said = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "services").rglob("*.py")
        if 'media_type="text/event-stream"' in path.read_text()
    }
    assert said == {"services/catalog/http/progress.py", "services/live/http/chat.py"}
    marked = {route.pattern for route in table(1) if route.event_stream}
    assert marked == {"/api/v1/jobs/{id}/events", "/api/v1/live/videos/{id}/chat/events"}
