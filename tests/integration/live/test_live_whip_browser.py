"""WHIP as browsers speak it (RFC 9725): trickle, restarts of ICE, bearers, what is refused."""

import base64
import hashlib
import hmac
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from aioice import Candidate, Connection
from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from litestar import Litestar
from litestar.datastructures import State

from services.live.whip.gate import Gate
from services.live.whip.ice import IcePath, read_fragment
from services.live.whip.ice_servers import IceServers, TurnSecret
from services.live.whip.receiving import install
from services.live.whip.routes import whip_routers
from services.live.whip.server import Whip
from shared.http.identity import Verifier
from shared.http.problems import EXCEPTION_HANDLERS
from shared.http.server import serving
from shared.settings import Address
from tests.integration.ingest.harness import StaticKeys
from tests.support.live_publishers import KEY, OWN, Door
from tests.support.wait import eventually

SDP = {"content-type": "application/sdp"}
FRAGMENT = "application/trickle-ice-sdpfrag"
BASE = "/api/v1/live/whip"
SECRET = TurnSecret("a-secret-of-a-turn-server")


class Site:
    """Live's WHIP routes, and who may publish."""

    def __init__(self, client: httpx.AsyncClient, door: Door, whip: Whip) -> None:
        self.client = client
        self.door = door
        self.whip = whip
        self.keys = StaticKeys()

    def token(self, user: str = OWN.user_id) -> str:
        return self.keys.token(user)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@asynccontextmanager
async def running(servers: IceServers | None = None) -> AsyncIterator[Site]:
    install()
    door = Door()
    whip = Whip(door, clock=lambda: 0.0)
    async with httpx.AsyncClient(trust_env=False) as client:
        site = Site(client, door, whip)
        app = Litestar(
            whip_routers(whip, servers or IceServers()),
            exception_handlers=EXCEPTION_HANDLERS,
            openapi_config=None,
            logging_config=None,
            state=State(
                {
                    "verifier": Verifier(site.keys, issuer="cinelog", audience="cinelog"),
                    "sessions": None,
                }
            ),
        )
        bind = _free()
        async with serving(app, bind):
            client.base_url = f"http://127.0.0.1:{bind.port}"
            yield site
            await whip.close()


def _free() -> Address:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return Address("127.0.0.1", probe.getsockname()[1])


class Browser:
    """A publisher that sends its offer without candidates, and tells them later."""

    def __init__(self, codec: str = "video/H264", tracks: tuple[type[Any], ...] = ()) -> None:
        policy = RTCBundlePolicy.MAX_BUNDLE
        self.path: IcePath | None = None
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=policy))
        for track in tracks or (VideoStreamTrack, AudioStreamTrack):
            self.connection.addTrack(track())
        for transceiver in self.connection.getTransceivers():
            if transceiver.kind == "video" and codec:
                _prefer(transceiver, codec)

    async def offer(self) -> str:
        """Its offer; the candidates are kept back."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        transport = self.connection.getTransceivers()[0].sender.transport.transport
        self.path = IcePath(transport, "0", Gate(lambda _: None))
        sdp = self.connection.localDescription.sdp
        return re.sub(r"a=(candidate|end-of-candidates).*\r\n", "", sdp)

    async def answered(self, answer: str) -> str:
        """Takes the answer; the fragment with its candidates."""
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        sdp = self.connection.localDescription.sdp
        names = ("a=ice-ufrag", "a=ice-pwd", "a=candidate", "a=mid")
        return "\r\n".join(line for line in sdp.split("\r\n") if line.startswith(names))

    async def restarted(self, site: Site, path: str, headers: dict[str, str]) -> httpx.Response:
        """Restart ICE, and send by the new connection from then on."""
        assert self.path is not None
        following = Connection(ice_controlling=True)
        await following.gather_candidates()
        fragment = [
            f"a=ice-ufrag:{following.local_username}",
            f"a=ice-pwd:{following.local_password}",
            *(f"a=candidate:{each.to_sdp()}" for each in following.local_candidates),
        ]
        answer = await site.client.patch(
            path,
            content="\r\n".join(fragment),
            headers={**headers, "content-type": FRAGMENT, "if-match": "*"},
        )
        if answer.is_success:
            said = read_fragment(answer.text)
            following.remote_username, following.remote_password = said.username, said.password
            for line in said.candidates:
                await following.add_remote_candidate(Candidate.from_sdp(line))
            await following.add_remote_candidate(None)
            await self.path._switch_to(following)
        return answer


def _prefer(transceiver: RTCRtpTransceiver, codec: str) -> None:
    known = RTCRtpSender.getCapabilities("video")
    assert known is not None
    transceiver.setCodecPreferences([each for each in known.codecs if each.mimeType == codec])


async def test_a_browser_trickles_restarts_and_ends() -> None:
    browser = Browser()
    async with running(IceServers(["stun:stun.example.com:3478"])) as site:
        answer = await site.client.post(
            BASE, content=await browser.offer(), headers=SDP | bearer(KEY)
        )
        assert answer.status_code == 201, answer.text
        assert answer.headers["link"] == '<stun:stun.example.com:3478>; rel="ice-server"'
        path, tag = answer.headers["location"], answer.headers["etag"]
        (sink,) = site.door.sinks
        assert path.startswith(f"{BASE}/{sink.video_id}.")
        fragment = await browser.answered(answer.text)
        trickled = {"content-type": FRAGMENT, **bearer(KEY)}
        said = [
            (await site.client.patch(path, content=fragment, headers=headers)).status_code
            for headers in (
                trickled,
                {**trickled, "if-match": '"other"'},
                {**trickled, "if-match": tag, **bearer("another-key")},
                {"content-type": FRAGMENT, "if-match": tag},
                {**trickled, "if-match": tag},
            )
        ]
        assert said == [428, 412, 401, 401, 204]
        await eventually(lambda: len(sink.tags) > 20, 30)
        first = await browser.restarted(site, path, bearer(KEY))
        assert first.status_code == 200, first.text
        assert first.headers["etag"] != tag
        assert first.headers["content-type"].startswith(FRAGMENT)
        second = await browser.restarted(site, path, bearer(KEY))
        assert second.status_code == 200
        assert second.headers["etag"] != first.headers["etag"]
        seen = len(sink.tags)
        await eventually(lambda: len(sink.tags) > seen + 20, 30)
        assert sink.closed is None
        refused = await site.client.delete(path, headers=bearer("another-key"))
        assert refused.status_code == 401
        assert refused.json()["error"]["type"] == "wrong_bearer"
        assert (await site.client.delete(path, headers=bearer(KEY))).status_code == 200
        await sink.ended.wait()
        assert sink.closed == ("ended by the publisher", True)
        gone = await site.client.patch(path, content="", headers=trickled | {"if-match": "*"})
        assert gone.status_code == 404
        assert gone.json()["error"]["type"] == "no_connection"
    await browser.connection.close()


async def test_a_restart_that_leads_nowhere_leaves_the_connection() -> None:
    browser = Browser()
    async with running() as site:
        headers = SDP | bearer(KEY)
        answer = await site.client.post(BASE, content=await browser.offer(), headers=headers)
        path = answer.headers["location"]
        (sink,) = site.door.sinks
        early = {"content-type": FRAGMENT, "if-match": "*", **bearer(KEY)}
        credentials = f"a=ice-ufrag:abcd\r\na=ice-pwd:{'x' * 22}\r\n"
        # There is nothing to restart yet.
        assert (
            await site.client.patch(path, content=credentials, headers=early)
        ).status_code == 409
        fragment = await browser.answered(answer.text)
        trickle = early | {"if-match": answer.headers["etag"]}
        assert (await site.client.patch(path, content=fragment, headers=trickle)).is_success
        await eventually(lambda: len(sink.tags) > 10, 30)
        for content, status in (
            ("", 400),
            ("a=ice-ufrag:abcd\r\n", 400),
            (f"a=ice-ufrag:a:d\r\na=ice-pwd:{'x' * 22}", 400),
            (credentials, 200),
            (credentials + "a=candidate:nonsense\r\n" * 5, 200),
            (credentials + "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n" * 60, 400),
        ):
            got = await site.client.patch(path, content=content, headers=early)
            assert got.status_code == status, content
        seen = len(sink.tags)
        await eventually(lambda: len(sink.tags) > seen + 20, 30)
        assert sink.closed is None
    await browser.connection.close()


async def test_the_owner_publishes_without_a_key() -> None:
    browser = Browser()
    async with running(IceServers(["turn:turn.example.com?transport=udp"], SECRET)) as site:
        path = f"/api/v1/live/streams/{OWN.live_id}/whip"
        offer = await browser.offer()

        async def post(headers: dict[str, str], where: str = path) -> httpx.Response:
            return await site.client.post(where, content=offer, headers=SDP | headers)

        assert (await post({})).status_code == 401
        assert (await post(bearer("no-token"))).status_code == 401
        # Another's stream, and one that is not there.
        assert (await post(bearer(site.token("bob")))).status_code == 404
        other = path.replace("0000000", "0000001")
        assert (await post(bearer(site.token()), other)).status_code == 404
        answer = await post(bearer(site.token()))
        assert answer.status_code == 201, answer.text
        _assert_credentials(answer.headers["link"])
        connection = answer.headers["location"]
        # A token that was renewed is the same person's; a key and another's are not.
        assert (
            await site.client.delete(connection, headers=bearer(site.token("bob")))
        ).status_code == 401
        assert (await site.client.delete(connection, headers=bearer(KEY))).status_code == 401
        ended = await site.client.delete(connection, headers=bearer(site.token()))
        assert ended.status_code == 200
    await browser.connection.close()


def _assert_credentials(link: str) -> None:
    """They are those of TURN's REST API, and end."""
    found = re.fullmatch(
        r'<turn:turn\.example\.com\?transport=udp>; rel="ice-server"; username="(\d+:[^"]+)";'
        r' credential="([^"]+)"; credential-type="password"',
        link,
    )
    assert found, link
    digest = hmac.new(SECRET.encode(), found[1].encode(), hashlib.sha1).digest()
    assert base64.b64decode(found[2]) == digest


@pytest.mark.parametrize(
    "browser",
    [
        lambda: Browser("video/VP8"),
        lambda: Browser(tracks=(AudioStreamTrack,)),
        lambda: Browser(tracks=(VideoStreamTrack, VideoStreamTrack)),
    ],
)
async def test_what_cannot_be_taken_is_not_acceptable(browser: Any) -> None:
    made = browser()
    async with running() as site:
        headers = SDP | bearer(KEY)
        answer = await site.client.post(BASE, content=await made.offer(), headers=headers)
        assert answer.status_code == 406, answer.text
        assert answer.json()["error"]["type"] == "unusable_media"
        assert site.whip.publishers == 0
    assert all(sink.closed for sink in site.door.sinks)
    await made.connection.close()


async def test_of_several_codecs_h264_is_taken() -> None:
    """Browsers name VP8 first."""
    browser = Browser(codec="")
    async with running() as site:
        offer = await browser.offer()
        assert offer.index("VP8/90000") < offer.index("H264/90000")
        answer = await site.client.post(BASE, content=offer, headers=SDP | bearer(KEY))
        assert answer.status_code == 201, answer.text
        assert set(re.findall(r"a=rtpmap:\d+ (\w+)/", answer.text)) == {"H264", "rtx", "opus"}
    await browser.connection.close()


async def test_offers_are_limited() -> None:
    async with running() as site:
        headers = SDP | bearer(KEY)
        answers = [
            await site.client.post(BASE, content="v=0\r\n", headers=headers) for _ in range(61)
        ]
        assert [answer.status_code for answer in answers[:60]] == [400] * 60
        assert answers[-1].status_code == 429
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert site.door.asked == 60


async def test_options_name_what_is_taken() -> None:
    async with running() as site:
        endpoint = await site.client.options(BASE)
        assert (endpoint.status_code, endpoint.headers["accept-post"]) == (204, "application/sdp")
        resource = await site.client.options(f"{BASE}/a.{'a' * 32}")
        assert (resource.status_code, resource.headers["accept-patch"]) == (204, FRAGMENT)
