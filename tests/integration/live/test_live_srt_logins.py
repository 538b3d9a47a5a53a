"""What goes with a stream key by SRT: real streams, and ffmpeg as their publisher."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from prometheus_client import CollectorRegistry

from services.live.flv.sink import Sink
from services.live.http.addresses import Addresses
from services.live.http.app import live_app
from services.live.ports import Credential, Publisher, Refused
from services.live.srt.library import Call, CallRefused, Library
from services.live.srt.listener import Listener
from services.live.srt.logins import SrtLogin, SrtLogins
from services.live.srt.publishers import SrtPublishers
from shared.http.identity import Verifier
from tests.integration.live.harness import Live
from tests.integration.live.srt_targets import program
from tests.support.flv_files import flv
from tests.support.live_publishers import Kept
from tests.support.wait import eventually

SECRET: Final = "a secret of the installation, random"
# enum SRT_REJECT_REASON, and 1000 and an HTTP status
WRONG_SECRET, UNSECURE, BAD_REQUEST, UNAUTHORIZED = 10, 11, 1400, 1401


class Sessions:
    """An ``Admission``: the sessions of a replica, which keep what is sent."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self.kept: list[Kept] = []
        self.asked = 0
        self.refused = 0

    async def admit(self, credential: Credential, publisher: Publisher) -> Sink:
        self.asked += 1
        try:
            session = await self._live.one.sessions.connect(credential, publisher)
        except Refused:
            self.refused += 1
            raise
        self.kept.append(Kept())
        self.kept[-1].video_id = session.video_id
        return self.kept[-1]


class Studio:
    """The routes of streams, and a port for publishers by SRT."""

    def __init__(
        self, live: Live, library: Library, folder: Path, *, plain_keys: bool = False
    ) -> None:
        self.library = library
        self.sessions = Sessions(live)
        logins = SrtLogins(SECRET, plain_keys=plain_keys)
        self._publishers = SrtPublishers(self.sessions, program(folder), logins.claimed)
        self.listener = Listener(
            library, admit=self._publishers.admit, serve=self._publishers.serve, latency_ms=120
        )
        self.port = self.listener.open("127.0.0.1", 0)
        self._token = live.keys.token("ann")
        self._app: Any = live_app(
            live.one.streams,
            addresses=Addresses(rtmp_url="rtmp://localhost/live", srt_url="srt://localhost"),
            srt=logins,
            verifier=Verifier(live.keys, issuer="cinelog", audience="cinelog"),
            checks={},
            registry=CollectorRegistry(),
        )

    async def ask(self, path: str = "", body: Any = None) -> dict[str, Any]:
        transport = httpx.ASGITransport(app=self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://live") as client:
            answer = await client.post(
                f"/api/v1/live/streams{path}",
                json=body,
                headers={"authorization": f"Bearer {self._token}"},
            )
        assert answer.status_code < 300, answer.text
        return answer.json()["data"]

    async def stream(self) -> dict[str, Any]:
        return await self.ask(body={"title": "Bikes"})

    def refusal(self, stream_id: str, passphrase: str | None) -> int | None:
        """What a handshake is refused with."""
        try:
            handle = self.library.call("127.0.0.1", self.port, Call(stream_id, passphrase, 120))
        except CallRefused as refused:
            return refused.code
        self.library.close(handle)
        return None


def login(shown: dict[str, Any]) -> SrtLogin:
    return SrtLogin(shown["srt_stream_id"], shown["srt_passphrase"])


@pytest.fixture
async def studio(live: Live, library: Library, tmp_path: Path) -> AsyncIterator[Studio]:
    made = Studio(live, library, tmp_path)
    yield made
    await made.listener.close()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.flv"
    flv(path, gop=25)
    return path


async def publish(clip: Path, port: int, query: str) -> int:
    """ffmpeg's exit status."""
    process = await asyncio.create_subprocess_exec(
        *(program(clip.parent).ffmpeg, "-v", "quiet", "-re", "-i", str(clip), "-c", "copy"),
        *("-f", "mpegts", f"srt://127.0.0.1:{port}?{query}"),
    )
    return await process.wait()


async def test_whoever_has_all_that_goes_with_the_key_publishes(studio: Studio, clip: Path) -> None:
    made = login(await studio.stream())
    query = f"streamid={made.stream_id}&passphrase={made.passphrase}"
    for number, key_length in enumerate(("", "&pbkeylen=32")):
        assert await publish(clip, studio.port, query + key_length) == 0
        async with asyncio.timeout(60):
            await studio.sessions.kept[number].ended.wait()
        assert studio.sessions.kept[number].tags


async def test_nobody_else_does(studio: Studio, clip: Path) -> None:
    shown, other = await studio.stream(), login(await studio.stream())
    made = login(shown)
    refused = {
        f"streamid={made.stream_id}&passphrase=not-the-passphrase": WRONG_SECRET,
        f"streamid={made.stream_id}": UNSECURE,
        f"streamid={made.stream_id}&passphrase={other.passphrase}": WRONG_SECRET,
        # Whether there is such a stream, is not to be learned.
        f"streamid={'0' * 64}&passphrase={made.passphrase}": WRONG_SECRET,
        # Where the key itself is not to be sent: anybody on the way could read it.
        f"streamid={shown['stream_key']}&passphrase={made.passphrase}": BAD_REQUEST,
        f"streamid={shown['stream_key']}": BAD_REQUEST,
        f"passphrase={made.passphrase}": BAD_REQUEST,
    }
    for query, code in refused.items():
        said = dict(pair.split("=") for pair in query.split("&"))
        assert studio.refusal(said.get("streamid", ""), said.get("passphrase")) == code, query
        assert await publish(clip, studio.port, query) != 0
    # Nothing of it has reached the database.
    assert studio.sessions.asked == 0


async def test_the_key_alone_publishes_where_it_may_be_sent(
    live: Live, library: Library, tmp_path: Path, clip: Path
) -> None:
    studio = Studio(live, library, tmp_path, plain_keys=True)
    try:
        shown = await studio.stream()
        for number, name in enumerate(("{}", "%23!::r={},m=publish")):
            query = f"streamid={name.format(shown['stream_key'])}"
            assert await publish(clip, studio.port, query) == 0
            async with asyncio.timeout(60):
                await studio.sessions.kept[number].ended.wait()
            assert studio.sessions.kept[number].tags
        # What belongs to the passphrase still needs it, and the key is not told apart by one.
        made = login(shown)
        assert studio.refusal(made.stream_id, None) == UNSECURE
        assert studio.refusal(shown["stream_key"], made.passphrase) == UNSECURE
        renewed = await studio.ask(f"/{shown['id']}/key")
        await publish(clip, studio.port, f"streamid={shown['stream_key']}")
        await eventually(lambda: studio.sessions.refused, 60)
        assert studio.refusal(shown["stream_key"], None) == UNAUTHORIZED
        assert studio.refusal(f"live_{'0' * 40}x", None) == BAD_REQUEST
        assert await publish(clip, studio.port, f"streamid={renewed['stream_key']}") == 0
    finally:
        await studio.listener.close()


async def test_a_new_key_has_another_passphrase_and_the_old_one_is_refused(
    studio: Studio, clip: Path
) -> None:
    shown = await studio.stream()
    before = login(shown)
    after = login(await studio.ask(f"/{shown['id']}/key"))
    assert {before.stream_id, before.passphrase}.isdisjoint({after.stream_id, after.passphrase})
    assert studio.refusal(after.stream_id, before.passphrase) == WRONG_SECRET
    # The first one is refused once it is connected, the next ones in the handshake.
    await publish(clip, studio.port, f"streamid={before.stream_id}&passphrase={before.passphrase}")
    await eventually(lambda: studio.sessions.refused, 60)
    assert studio.refusal(before.stream_id, before.passphrase) == UNAUTHORIZED
    assert studio.sessions.kept == []
    query = f"streamid=%23!::r={after.stream_id},m=publish&passphrase={after.passphrase}"
    assert await publish(clip, studio.port, query) == 0
    await eventually(lambda: len(studio.sessions.kept) == 1, 60)


async def test_who_listens_on_the_way_learns_neither_key_nor_pictures(
    studio: Studio, clip: Path
) -> None:
    shown = await studio.stream()
    made = login(shown)
    way = Way(studio.port)
    port = await way.open()
    try:
        query = f"streamid={made.stream_id}&passphrase={made.passphrase}"
        assert await publish(clip, port, query) == 0
    finally:
        way.close()
    heard = b"".join(way.heard)
    assert swapped(made.stream_id) in heard
    for secret in (shown["stream_key"], made.passphrase):
        assert secret.encode() not in heard
        assert swapped(secret) not in heard
    media = [data[16:] for data in way.heard if not data[0] & 0x80]
    assert len(media) > 10
    assert not any(data[0] == data[188] == 0x47 for data in media if len(data) > 188)


class Way(asyncio.DatagramProtocol):
    """Passes on what a publisher sends, and hears all of it."""

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._publisher: tuple[str, int] | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self.heard: list[bytes] = []

    async def open(self) -> int:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        return self._transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: Any) -> None:
        assert self._transport is not None
        if addr == self._to:
            self._transport.sendto(data, self._publisher)
            return
        self._publisher = addr
        self.heard.append(data)
        self._transport.sendto(data, self._to)

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()


def swapped(text: str) -> bytes:
    """As a handshake has a stream id: each four bytes from the last to the first."""
    data = text.encode()
    return b"".join(data[at : at + 4][::-1] for at in range(0, len(data), 4))
