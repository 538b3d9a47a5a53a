"""Publishers by WebRTC: ffmpeg's own, and aiortc's as a browser would do it."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from aioice import ice
from litestar import Litestar

from services.live.ports import Publisher
from services.live.whip import peer
from services.live.whip.ice_servers import IceServers
from services.live.whip.receiving import install
from services.live.whip.routes import whip_routers
from services.live.whip.server import Whip
from shared.http.problems import EXCEPTION_HANDLERS
from shared.http.server import serving
from shared.programs.finding import find_ffmpeg
from shared.settings import Address
from tests.support.live_fuzz import OFFER, changed
from tests.support.live_publishers import KEY, Door, assert_a_stream
from tests.support.wait import eventually

PATH = "/api/v1/live/whip"


@asynccontextmanager
async def receiving(door: Door) -> AsyncIterator[str]:
    install()
    whip = Whip(door)
    app = Litestar(
        whip_routers(whip, IceServers()),
        exception_handlers=EXCEPTION_HANDLERS,
        openapi_config=None,
        logging_config=None,
    )
    with socket.create_server(("127.0.0.1", 0)) as probe:
        bind = Address("127.0.0.1", probe.getsockname()[1])
    async with serving(app, bind):
        yield f"http://127.0.0.1:{bind.port}{PATH}"
        await whip.close()


async def test_ffmpeg_publishes_picture_and_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    # It answers no consent checks, six of which usually end a connection after half a minute.
    monkeypatch.setattr(ice, "CONSENT_INTERVAL", 0.1)
    door = Door()
    async with receiving(door) as url:
        source = ("-f", "lavfi", "-i", "testsrc=size=160x90:rate=15", "-f", "lavfi", "-i", "sine")
        encode = ("-c:v", "libx264", "-profile:v", "baseline", "-g", "15", "-preset", "ultrafast")
        process = await asyncio.create_subprocess_exec(
            *(find_ffmpeg(None), "-v", "warning", "-re", *source, "-t", "5", *encode),
            *("-pix_fmt", "yuv420p", "-c:a", "libopus", "-ar", "48000", "-ac", "2"),
            *("-f", "whip", "-authorization", KEY, url),
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
        assert process.returncode == 0, said.decode()
        (sink,) = door.sinks
        async with asyncio.timeout(60):
            await sink.ended.wait()
    assert door.publishers[0].protocol == "whip"
    assert sink.closed == ("ended by the publisher", True)
    assert_a_stream(sink.tags)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"content-type": "application/sdp"}, "v=0", 401),
        ({"content-type": "application/sdp", "authorization": "Bearer wrong"}, "v=0", 401),
        ({"content-type": "application/sdp", "authorization": f"Bearer {KEY}"}, "nonsense", 400),
        ({"content-type": "application/sdp", "authorization": f"Bearer {KEY}"}, "v=0\r\n", 400),
        ({"content-type": "application/json", "authorization": f"Bearer {KEY}"}, "{}", 415),
    ],
)
async def test_what_is_no_offer_is_refused(headers: dict[str, str], body: str, status: int) -> None:
    door = Door()
    async with receiving(door) as url, httpx.AsyncClient() as client:
        answer = await client.post(url, headers=headers, content=body)
    assert answer.status_code == status, answer.text
    assert all(sink.closed for sink in door.sinks)


async def test_a_publisher_that_vanishes_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "_IDLE_SECONDS", 6.0)
    door = Door()
    async with receiving(door) as url:
        process = await asyncio.create_subprocess_exec(
            *(find_ffmpeg(None), "-v", "quiet", "-re", "-f", "lavfi", "-i", "testsrc=size=160x90"),
            *("-t", "60", "-c:v", "libx264", "-profile:v", "baseline", "-pix_fmt", "yuv420p"),
            *("-f", "whip", "-authorization", KEY, url),
        )
        try:
            async with asyncio.timeout(50):
                await eventually(lambda: bool(door.sinks and door.sinks[0].tags), 20)
                process.kill()
                await door.sinks[0].ended.wait()
        finally:
            await process.wait()
    assert door.sinks[0].closed == ("the publisher has gone", False)


async def test_a_connection_that_is_not_there() -> None:
    async with receiving(Door()) as url, httpx.AsyncClient() as client:
        answer = await client.delete(f"{url}/{'1' * 36}.{'a' * 32}")
        assert answer.status_code == 404
        answer = await client.patch(f"{url}/{'1' * 36}.{'a' * 32}", content="a=candidate:x")
        assert answer.status_code == 404


async def test_an_offer_sends_packets_to_few_addresses_of_others() -> None:
    candidates = "".join(
        f"a=candidate:{number} 1 udp {1000 + number} 127.0.0.1 {20_000 + number} typ host\r\n"
        for number in range(400)
    )
    whip = Whip(Door())
    try:
        answered = await whip.publish(
            KEY, OFFER.decode() + candidates, address="192.0.2.1", software="x"
        )
        (connected,) = whip._connected.values()
        transports = {
            transceiver.receiver.transport.transport
            for transceiver in connected.peer._connection.getTransceivers()
        }
        assert answered
        assert 0 < max(len(each.getRemoteCandidates()) for each in transports) <= 32
    finally:
        await whip.close()


async def test_mutated_offers_are_refused_in_words() -> None:
    """Also those that what parses them takes for impossible."""
    refused = 0
    for number in range(60):
        door = Door()
        one = peer.Peer(await door.admit(KEY, Publisher("whip", "192.0.2.1")), lambda: None)
        text = changed(random.Random(number), OFFER).decode(errors="replace")
        try:
            await one.answer(text)
            # What it has started begins.
            await asyncio.sleep(0)
        except (peer.UnusableOffer, peer.OtherMedia):
            refused += 1
        await one.close("over", clean=True)
    assert refused > 10
