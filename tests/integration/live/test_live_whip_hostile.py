"""Publishers by WebRTC who have a stream key, or only the address of a socket, and mean harm."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import psutil
import pytest
from aioice import Candidate, Connection
from aiortc.mediastreams import VideoStreamTrack
from aiortc.rtp import RTCP_PSFB_PLI, RtcpPsfbPacket, RtpPacket

from services.live.whip import gate, peer
from services.live.whip.ice import read_fragment
from services.live.whip.server import CHANGES
from tests.integration.live.test_live_whip_browser import (
    BASE,
    FRAGMENT,
    SDP,
    Browser,
    Site,
    bearer,
    running,
)
from tests.support.live_fuzz import OFFER
from tests.support.live_publishers import KEY, Kept
from tests.support.wait import eventually

# A picture's unit without a picture: supplemental information.
NO_PICTURE = b"\x06\x05\x01\x00\x80"


def sockets() -> int:
    return len(psutil.Process().net_connections("udp"))


class Attacker(Browser):
    """A publisher that is connected and sends what it wants."""

    def __init__(self) -> None:
        super().__init__(tracks=(VideoStreamTrack,))
        self.headers: dict[str, str] = {}
        self.path_name = ""

    async def connect(self, site: Site) -> Kept:
        answer = await site.client.post(BASE, content=await self.offer(), headers=SDP | bearer(KEY))
        assert answer.status_code == 201, answer.text
        self.path_name = answer.headers["location"]
        self.headers = {
            "content-type": FRAGMENT,
            "if-match": answer.headers["etag"],
            **bearer(KEY),
        }
        fragment = await self.answered(answer.text)
        said = await site.client.patch(self.path_name, content=fragment, headers=self.headers)
        assert said.status_code == 204
        await eventually(lambda: self.connection.connectionState == "connected", 60)
        return site.door.sinks[-1]

    @property
    def _sender(self) -> Any:
        return self.connection.getTransceivers()[0].sender

    def silence(self) -> None:
        """Send no pictures by itself any more."""
        self._sender.replaceTrack(None)

    async def send(self, number: int, *, source: int = 7, payload: bytes = NO_PICTURE) -> None:
        """A packet that it has encrypted as it should."""
        codec = self.connection.getTransceivers()[0]._codecs[0].payloadType or 0
        packet = RtpPacket(
            payload_type=codec,
            sequence_number=number & 0xFFFF,
            timestamp=3000 * number & 0xFFFFFFFF,
            ssrc=source,
            payload=payload,
            marker=1,
        )
        await self._send(packet.serialize())

    async def control(self) -> None:
        """Ask for a key picture, of nobody."""
        asked = RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=7, media_ssrc=8)
        await self._send(bytes(asked))

    async def _send(self, data: bytes) -> None:
        # The server may have ended the connection.
        with suppress(ConnectionError):
            await self._sender.transport._send_rtp(data)


@asynccontextmanager
async def attacking() -> AsyncIterator[tuple[Site, Attacker, Kept]]:
    attacker = Attacker()
    async with running() as site:
        yield site, attacker, await attacker.connect(site)
        await attacker.connection.close()


async def test_sources_without_end_end_the_publisher() -> None:
    async with attacking() as (site, attacker, sink):
        attacker.silence()
        for number in range(500):
            await attacker.send(number, source=1000 + number)
            await asyncio.sleep(0)
        async with asyncio.timeout(60):
            await sink.ended.wait()
        assert sink.closed == (gate.TOO_MANY_SOURCES, False)
        assert site.whip.publishers == 0


@pytest.mark.parametrize("kind", ["pictures", "control"])
async def test_packets_without_end_end_the_publisher(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with attacking() as (_, attacker, sink):
        monkeypatch.setattr(gate, "PACKETS", gate.Bucket(10**6, 50))
        for number in range(2000):
            await (attacker.send(number) if kind == "pictures" else attacker.control())
            await asyncio.sleep(0)
            if sink.closed:
                break
        async with asyncio.timeout(60):
            await sink.ended.wait()
        assert sink.closed == (gate.TOO_MANY_PACKETS, False)


async def test_frames_without_a_picture_hold_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "NO_PICTURE_SECONDS", 1.0)
    async with attacking() as (_, attacker, sink):
        attacker.silence()
        sent = 0

        async def ended() -> bool:
            nonlocal sent
            await attacker.send(sent)
            sent += 1
            return sink.closed is not None

        await eventually(ended, 60)
        assert sink.closed == ("no picture came for 1 s", False)


async def test_strangers_who_know_the_port_reach_nothing() -> None:
    async with attacking() as (site, _, sink):
        (connected,) = site.whip._connected.values()
        path = connected.peer._path
        assert path is not None
        connection = path._connection
        protocol = next(iter(connection._nominated.values())).protocol
        place = protocol.transport.get_extra_info("sockname")
        before = len(connection._remote_candidates)
        reached: list[bytes] = []
        connection.data_received = lambda data, component: reached.append(data)  # type: ignore[method-assign]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for number in range(500):
                stranger.sendto(b"\x80\x60" + number.to_bytes(2, "big") + bytes(100), place)
                stranger.sendto(b"\x16\xfe\xff" + bytes(100), place)
                await asyncio.sleep(0)
        await eventually(lambda: len(reached) > 5, 60)
        assert not any(data[4:] == bytes(100) for data in reached)
        assert len(connection._remote_candidates) == before
        assert sink.closed is None


async def test_an_offer_alone_holds_a_place_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "_CONNECT_SECONDS", 1.0)
    async with running() as site:
        before = sockets()
        answer = await site.client.post(BASE, content=OFFER, headers=SDP | bearer(KEY))
        assert answer.status_code == 201
        (sink,) = site.door.sinks
        async with asyncio.timeout(60):
            await sink.ended.wait()
        assert sink.closed == ("no connection came about", False)
        assert site.whip.publishers == 0
        await eventually(lambda: sockets() <= before, 60)


async def test_who_never_finishes_dtls_holds_a_place_for_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peer, "_CONNECT_SECONDS", 3.0)
    async with running() as site:
        browser = Browser()
        answer = await site.client.post(
            BASE, content=await browser.offer(), headers=SDP | bearer(KEY)
        )
        assert browser.path is not None
        reached: Connection = browser.path._connection
        said = read_fragment(answer.text)
        reached.remote_username, reached.remote_password = said.username, said.password
        for line in said.candidates:
            await reached.add_remote_candidate(Candidate.from_sdp(line))
        await reached.add_remote_candidate(None)
        await reached.connect()
        # The beginning of a ClientHello, again and again.
        (sink,) = site.door.sinks
        while not sink.closed:
            await reached.send(b"\x16\xfe\xff" + bytes(8) + b"\x00\x30\x01" + bytes(40))
            await asyncio.sleep(0.05)
        assert sink.closed == ("no connection came about", False)
        assert site.whip.publishers == 0
        await browser.connection.close()


async def test_offers_that_are_too_large_are_refused() -> None:
    media = OFFER.decode().split("m=")
    async with running() as site:
        for offer, status in (
            (b"v=0\r\n" + bytes(1 << 20), 413),
            ((media[0] + 40 * ("m=" + media[1])).encode(), 406),
        ):
            answer = await site.client.post(BASE, content=offer, headers=SDP | bearer(KEY))
            assert answer.status_code == status, answer.text
        assert all(sink.closed for sink in site.door.sinks)
        assert site.whip.publishers == 0


async def test_changes_without_end_are_refused() -> None:
    async with attacking() as (site, attacker, sink):
        said = [
            (
                await site.client.patch(
                    attacker.path_name,
                    content="a=candidate:nothing\r\n",
                    headers=attacker.headers,
                )
            ).status_code
            for _ in range(CHANGES.burst + 5)
        ]
        assert said[-5:] == [429] * 5
        # Others cannot use it up.
        assert sink.closed is None


async def test_names_of_another_network_are_not_looked_for() -> None:
    name = (
        "a=candidate:9 1 udp 2122260223 0e1cd6ca-0000-4000-8000-000000000000.local 50000 typ host"
    )
    offer = OFFER.replace(b"a=fingerprint", f"{name}\r\na=fingerprint".encode())
    async with running() as site:
        answer = await site.client.post(BASE, content=offer, headers=SDP | bearer(KEY))
        assert answer.status_code == 201
        (connected,) = site.whip._connected.values()
        path = connected.peer._path
        assert path is not None
        hosts = [each.host for each in path._connection._remote_candidates]
        assert hosts == ["192.0.2.1"]
        await path.add_candidates((name.removeprefix("a=candidate:"),))
        assert len(path._connection._remote_candidates) == 1
