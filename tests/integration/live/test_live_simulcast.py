"""Lives sent on to RTMP servers: this product's own, and hand-made ones that misbehave."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from prometheus_client import CollectorRegistry

from services.live.flv import amf0
from services.live.flv.tags import VIDEO, Tag, content
from services.live.http.addresses import Addresses
from services.live.http.app import live_app
from services.live.http.simulcast import simulcast_router
from services.live.ports import Session
from services.live.rtmp import wire
from services.live.rtmp.server import RtmpServer
from services.live.sessions_repository import SessionsRepository
from services.live.simulcast.dialing import Dialer
from services.live.simulcast.handling import Targets
from services.live.simulcast.outgoing import TargetFailed
from services.live.simulcast.repository import Most, TargetsRepository
from services.live.simulcast.sealing import Sealer
from services.live.simulcast.sender import Sender
from services.live.simulcast.simulcasts import Simulcasts
from services.live.simulcast.targets import Place
from shared.contracts import SimulcastStateChanged
from shared.database.connect import create_engine
from shared.http.identity import Verifier
from shared.public_addresses import Reach
from shared.settings import Address
from tests.integration.live.harness import OBS, Live
from tests.support.databases import Database
from tests.support.flv_files import flv
from tests.support.live_publishers import KEY, Door, Kept, assert_a_stream
from tests.support.wait import eventually

LOCAL = Reach.parse("127.0.0.0/8")
BIND = Address("127.0.0.1", 0)


async def at_once(_: float) -> None:
    """Instead of a pause between two tries."""


def place(port: int, *, encrypted: bool = False, host: str = "127.0.0.1") -> Place:
    return Place(encrypted, host, port, "live")


@asynccontextmanager
async def target(tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Door, int]]:
    """This product's own server as another service."""
    door = Door()
    server = RtmpServer(door)
    port = await server.listen(BIND, tls)
    try:
        yield door, port
    finally:
        await server.close()


@asynccontextmanager
async def answering(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """A server of another kind."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def sender(
    to: Place,
    key: str = KEY,
    *,
    dialer: Dialer | None = None,
    pause: Callable[[float], Awaitable[None]] = at_once,
) -> Sender:
    return Sender("target", to, key, {}, dialer or Dialer(LOCAL), pause=pause)


def offer(to: Sender, tags: list[Tag], shift: int = 0) -> None:
    for tag in tags:
        inside = None if tag.kind == 18 else content(tag)
        to.offer(Tag(tag.kind, tag.milliseconds + shift, tag.body), inside)


async def stop(*senders: Sender) -> None:
    for each in senders:
        each.task.cancel()
    await asyncio.gather(*(each.task for each in senders), return_exceptions=True)


async def test_a_target_gets_the_stream_as_it_is(tmp_path: Path) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25)
    async with target() as (door, port):
        one = sender(place(port))
        await eventually(lambda: one.progress.state == "broadcasting")
        offer(one, tags)
        await eventually(lambda: len(door.sinks[0].tags) >= len(tags) - 3)
        await stop(one)
        (kept,) = door.sinks
        async with asyncio.timeout(5):
            await kept.ended.wait()
        assert kept.closed is not None
        assert kept.closed[1], "it says that it ends"
    assert_a_stream(kept.tags)
    sent = [tag.body for tag in tags if tag.kind == VIDEO]
    assert [tag.body for tag in kept.tags if tag.kind == VIDEO][1:] == sent[1 : len(sent)]


async def test_a_target_that_comes_back_gets_it_from_the_next_key_picture(tmp_path: Path) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25)
    async with target() as (door, port):
        one = sender(place(port))
        await eventually(lambda: one.progress.state == "broadcasting")
        offer(one, tags)
        await eventually(lambda: len(door.sinks[0].tags) > 50)
    await eventually(lambda: one.progress.state in ("retrying", "errored"))
    assert one.progress.error
    await stop(one)


async def test_a_target_that_is_away_is_given_up_after_a_while() -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async with target() as (_, port):
        pass
    one = sender(place(port), pause=pause)
    await one.task
    assert one.progress.state == "errored"
    assert one.progress.error == "It does not accept connections."
    assert pauses == [1, 2, 5, 10, 20, 30, 60, 60]
    offer(one, [Tag(VIDEO, 0, b"\x17\1\0\0\0")])
    assert len(one._backlog) == 0


async def test_a_wrong_key_is_told_in_the_targets_words_without_the_key() -> None:
    async with target() as (_, port):
        one = sender(place(port), key="wrong-key-9")
        await one.task
    assert one.progress.state == "errored"
    assert one.progress.error == "It refused the stream: no stream has this key"


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The server's side of the handshake."""
    hello = await reader.readexactly(1537)
    writer.write(b"\3" + bytes(1536) + hello[1:])


async def test_a_redirection_is_not_followed_and_echoes_lose_the_key() -> None:
    asked = 0

    async def other(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1

    async with answering(other) as elsewhere:

        async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await greet(reader, writer)
            information = {
                "level": "error",
                "code": "NetConnection.Connect.Rejected",
                "description": "moved: s3cret-key",
                "ex": {"code": 302, "redirect": f"rtmp://127.0.0.1:{elsewhere}/live"},
            }
            body = amf0.write("_error", 1, None, information)
            writer.write(wire.set_chunk_size() + wire.message(3, wire.COMMAND, 0, body))
            await writer.drain()

        async with answering(redirect) as port:
            one = sender(place(port), key="s3cret-key")
            await one.task
    assert one.progress.error == "It refused the stream: moved: …"
    assert asked == 0


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n" + bytes(4000), bytes(9000)])
async def test_what_is_no_rtmp_server_is_given_up(said: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()

    async with answering(answer) as port:
        one = sender(place(port))
        await one.task
    assert one.progress.state == "errored"
    assert one.progress.error


async def test_a_slow_target_holds_up_nobody_and_loses_the_oldest(tmp_path: Path) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25, size="640x360")
    stuck = asyncio.Event()

    class Deaf(Kept):
        async def take(self, tag: Tag) -> None:
            await stuck.wait()

    class DeafDoor(Door):
        async def admit(self, key: str, publisher: Any) -> Kept:
            self.sinks.append(Deaf())
            return self.sinks[-1]

    slow_door = DeafDoor()
    server = RtmpServer(slow_door)
    async with target() as (door, port):
        slow, quick = sender(place(await server.listen(BIND))), sender(place(port))
        await eventually(lambda: {slow.progress.state, quick.progress.state} == {"broadcasting"})
        sink = door.sinks[0]
        for turn in range(60):
            offer(slow, tags, 4000 * turn)
            offer(quick, tags, 4000 * turn)
            await eventually(lambda: bool(sink.tags) and sink.tags[-1].milliseconds > 0)
            await eventually(lambda: len(quick._backlog) == 0)
            if slow.progress.dropped:
                break
        assert slow.progress.dropped > 0
        assert quick.progress.dropped == 0
        assert slow._backlog._bytes <= 9 << 20
        stuck.set()
        await stop(slow, quick)
    await server.close()


def certified(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context of localhost, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = folder / "chain.pem"
    chain.write_bytes(private + certificate.public_bytes(pem))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    trusting = ssl.create_default_context(cadata=certificate.public_bytes(pem).decode())
    return server, trusting


async def test_certificates_are_checked(tmp_path: Path) -> None:
    tls, trusting = certified(tmp_path)
    everywhere = Reach.parse("127.0.0.0/8, ::1/128")
    async with target(tls) as (door, port):
        to = place(port, encrypted=True, host="localhost")
        refused = sender(to, dialer=Dialer(everywhere))
        await refused.task
        assert refused.progress.error == "It has no valid certificate."
        assert door.asked == 0
        one = sender(to, dialer=Dialer(everywhere, lambda: trusting))
        await eventually(lambda: one.progress.state == "broadcasting")
        wrong = sender(place(port, encrypted=True), dialer=Dialer(everywhere, lambda: trusting))
        await wrong.task
        assert wrong.progress.error == "It has no valid certificate."
        await stop(one)


async def test_private_addresses_and_unknown_names_are_refused_alike() -> None:
    for host in ("localhost", "127.0.0.1", "no-such-host.invalid"):
        with pytest.raises(TargetFailed) as refused:
            await Dialer(Reach()).dial(place(1935, host=host))
        assert str(refused.value) == "The host is not on the internet."


class Studio:
    """The routes of targets, and replicas that send."""

    def __init__(self, live: Live, engine: Any) -> None:
        self.live = live
        self.rows = TargetsRepository(engine)
        self.sealer = Sealer("a secret of the installation, random")
        sessions = SessionsRepository(engine)
        events = live.one.events
        self.targets = Targets(
            self.rows, sessions, events, self.sealer, LOCAL, most=Most(of_stream=2, of_user=3)
        )
        self.app: Any = live_app(
            live.one.streams,
            addresses=Addresses(rtmp_url="rtmp://localhost:1935/live"),
            verifier=Verifier(live.keys, issuer="cinelog", audience="cinelog"),
            checks={},
            registry=CollectorRegistry(),
            others=[simulcast_router(self.targets)],
        )

    def replica(self, sealer: Sealer | None = None) -> Simulcasts:
        return Simulcasts(
            self.rows, self.live.one.events, sealer or self.sealer, Dialer(LOCAL), LOCAL
        )

    async def ask(self, method: str, path: str, user: str = "ann", **more: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.live.keys.token(user)}"} | more.pop("also", {})
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://live") as client:
            return await client.request(
                method, f"/api/v1/live/streams/{path}", headers=headers, **more
            )

    async def add(self, live_id: str, port: int, key: str = KEY) -> str:
        body = {"url": f"rtmp://127.0.0.1:{port}/live", "stream_key": key, "name": "Other"}
        answer = await self.ask("POST", f"{live_id}/simulcast-targets", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]["id"]

    async def shown(self, live_id: str, target_id: str) -> dict[str, Any]:
        answer = await self.ask("GET", f"{live_id}/simulcast-targets/{target_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def states(self, live_id: str) -> list[str]:
        stream = await self.live.store.read_stream(f"live-{live_id}")
        found = [event.data for event in stream]
        return [event.state for event in found if isinstance(event, SimulcastStateChanged)]


@pytest.fixture
async def studio(live: Live, database: Database) -> AsyncIterator[Studio]:
    engine = create_engine(database.url("live"), size=2)
    yield Studio(live, engine)
    await engine.dispose()


async def until_state(studio: Studio, replica: Simulcasts, live_id: str, one: str, is_: str) -> Any:
    async def reached() -> bool:
        await replica.round()
        return (await studio.shown(live_id, one))["state"] == is_

    await eventually(reached, 20)
    return await studio.shown(live_id, one)


async def connected(live: Live, key: str) -> Session:
    session = await live.one.sessions.connect(key, OBS)
    await live.one.sessions.alive(session, sending=True)
    return session


async def test_a_running_live_is_sent_to_its_targets(studio: Studio, tmp_path: Path) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25)
    live_id, key = await studio.live.stream()
    replica = studio.replica()
    async with target() as (door, port):
        one = await studio.add(live_id, port)
        assert (await studio.shown(live_id, one))["state"] == "idle"
        session = await connected(studio.live, key)
        tap = replica.open(session)
        for tag in tags[: len(tags) // 2]:
            tap.offer(tag)
        shown = await until_state(studio, replica, live_id, one, "broadcasting")
        assert shown["error"] is None
        # Its headers were sent before the target was there.
        for tag in tags[len(tags) // 2 :]:
            tap.offer(tag)
        await eventually(lambda: len(door.sinks[0].tags) > 20)
        first = next(found for tag in door.sinks[0].tags if (found := content_of(tag)) is not None)
        assert first.header
        off = await studio.ask(
            "PATCH", f"{live_id}/simulcast-targets/{one}", json={"enabled": False}
        )
        assert off.json()["data"]["state"] == "disabled"
        await replica.round()
        async with asyncio.timeout(10):
            await door.sinks[0].ended.wait()
        await studio.ask("PATCH", f"{live_id}/simulcast-targets/{one}", json={"enabled": True})
        await until_state(studio, replica, live_id, one, "broadcasting")
        tap.close()
        await replica.round()
        assert await studio.states(live_id) == ["starting", "broadcasting"] * 2 + ["idle"]
        await replica.close()


def content_of(tag: Tag) -> Any:
    return None if tag.kind == 18 else content(tag)


async def test_another_replica_goes_on_and_the_old_one_says_nothing_more(studio: Studio) -> None:
    live_id, key = await studio.live.stream()
    old, new = studio.replica(), studio.replica()
    async with target() as (door, port):
        one = await studio.add(live_id, port)
        session = await connected(studio.live, key)
        late = old.open(session)
        await until_state(studio, old, live_id, one, "broadcasting")
        await studio.live.age(10)
        again = await studio.live.two.sessions.connect(key, OBS)
        await studio.live.two.sessions.alive(again, sending=True)
        assert again.epoch == 2
        new.open(again)
        await until_state(studio, new, live_id, one, "broadcasting")
        late.close()
        await old.round()
        assert (await studio.shown(live_id, one))["state"] == "broadcasting"
        assert len(door.sinks) == 2
        await new.close()


async def test_errors_are_told_and_a_lost_secret_too(studio: Studio) -> None:
    live_id, key = await studio.live.stream()
    async with target() as (_, port):
        one = await studio.add(live_id, port, key="wrong-key-9")
        session = await connected(studio.live, key)
        replica = studio.replica()
        tap = replica.open(session)
        shown = await until_state(studio, replica, live_id, one, "retrying")
        assert shown["error"] == "It refused the stream: no stream has this key"

        async def given_up() -> bool:
            await replica.round()
            return (await studio.rows.of_streams([live_id]))[0].state == "errored"

        tap.senders[one]._pause = at_once
        tap.senders[one]._failures = 8
        await eventually(given_up, 20)
        path = f"{live_id}/simulcast-targets/{one}"
        for enabled in (False, True):
            await studio.ask("PATCH", path, json={"enabled": enabled})
        shown = await until_state(studio, replica, live_id, one, "retrying")
        await replica.close()
        other = studio.replica(Sealer("another secret"))
        other.open(session)
        shown = await until_state(studio, other, live_id, one, "errored")
        assert "key cannot be read" in shown["error"]
        await other.close()
    stream = await studio.live.store.read_stream(f"live-{live_id}")
    assert all("wrong-key-9" not in repr(event) for event in stream)
    assert all(str(port) not in repr(event.data) for event in stream)


async def test_targets_are_made_shown_and_deleted(studio: Studio) -> None:
    live_id, _ = await studio.live.stream()
    path = f"{live_id}/simulcast-targets"
    body = {"url": "rtmps://live.example.com/app/", "stream_key": "k-123-secret"}
    made = await studio.ask("POST", path, json=body, also={"idempotency-key": "one"})
    assert made.status_code == 201, made.text
    assert "k-123" not in made.text
    data = made.json()["data"]
    assert (data["name"], data["url"]) == ("live.example.com", "rtmps://live.example.com/app")
    again = await studio.ask("POST", path, json=body, also={"idempotency-key": "one"})
    assert again.json()["data"]["id"] == data["id"]
    other = {**body, "stream_key": "another"}
    differs = await studio.ask("POST", path, json=other, also={"idempotency-key": "one"})
    assert differs.status_code == 409
    assert (await studio.ask("GET", path)).json()["data"] == [data]
    assert "k-123" not in (await studio.ask("GET", f"{path}/{data['id']}")).text
    stored = await studio.rows.by_id(data["id"])
    assert stored is not None
    assert b"k-123" not in stored.sealed
    assert "k-123" not in repr(stored) + stored.fingerprint
    for method in ("GET", "PATCH", "DELETE"):
        theirs = await studio.ask(method, f"{path}/{data['id']}", "bob", json={"enabled": False})
        assert theirs.status_code == 404
    assert (await studio.ask("POST", path, "bob", json=body)).status_code == 404
    for bad in (
        {},
        {**body, "url": "rtmp://10.0.0.1/x"},
        {**body, "x": 1},
        {**body, "url": "srt://a.b/c"},
    ):
        refused = await studio.ask("POST", path, json=bad)
        assert refused.status_code == 400
        assert "k-123" not in refused.text
    assert (await studio.ask("POST", path, json=body)).status_code == 201
    full = await studio.ask("POST", path, json=body)
    assert (full.status_code, full.json()["error"]["type"]) == (403, "quota_exceeded")
    second, _ = await studio.live.stream()
    assert (await studio.ask("POST", f"{second}/simulcast-targets", json=body)).status_code == 201
    assert (await studio.ask("POST", f"{second}/simulcast-targets", json=body)).status_code == 403
    assert (await studio.ask("DELETE", f"{path}/{data['id']}")).status_code == 204
    assert (await studio.ask("DELETE", f"{path}/{data['id']}")).status_code == 404
    await studio.live.one.streams.delete("ann", live_id)
    assert await studio.rows.of_streams([live_id]) == []
