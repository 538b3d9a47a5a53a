"""Keys fetched over HTTP from a real server: cached, refetched, kept while auth is down."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from prometheus_client import CollectorRegistry

from services.auth.signing_keys import public_jwk
from shared.http import jwks_client, server
from shared.http.jwks import Jwk, KeyDocument
from shared.http.jwks_client import JwksClient
from shared.loops.loops import Loops
from shared.settings import Address
from tests.support.wait import eventually


class Auth:
    """Publishes what it is told to, and counts the answers by status."""

    def __init__(self) -> None:
        self.document = b""
        self.etag = b""
        self.answers: list[int] = []

    def publish(self, document: KeyDocument) -> None:
        self.document = msgspec.json.encode(document)
        self.etag = b'"%d"' % hash(self.document)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
            return
        same = dict(scope["headers"]).get(b"if-none-match") == self.etag
        status = 304 if same else 200
        self.answers.append(status)
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"etag", self.etag)]}
        )
        await send({"type": "http.response.body", "body": b"" if same else self.document})


def free_address() -> Address:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Address("127.0.0.1", probe.getsockname()[1])


@asynccontextmanager
async def published(auth: Auth, address: Address) -> AsyncIterator[None]:
    async with server.serving(auth, address, drain_seconds=1):
        yield


def jwk() -> Jwk:
    return public_jwk(ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks_client, "POLL_SECONDS", 0.05)


def knows(source: JwksClient, *kids: str) -> Callable[[], bool]:
    return lambda: source.current is not None and set(source.current.public) == set(kids)


def client_of(address: Address) -> tuple[JwksClient, Callable[[], float]]:
    """A client, and how often a poll of it has failed."""
    registry = CollectorRegistry()

    def failures() -> float:
        found = registry.get_sample_value("cinelog_loop_failures_total", {"loop": "fetch keys"})
        return found or 0.0

    return JwksClient(f"http://{address}/keys", Loops(registry)), failures


async def test_keys_and_revocations_are_polled(quickly: None) -> None:
    auth, address, first, second = Auth(), free_address(), jwk(), jwk()
    auth.publish(KeyDocument(keys=(first,)))
    source, _ = client_of(address)
    async with published(auth, address), source.running():
        await eventually(knows(source, first.kid))
        await eventually(lambda: 304 in auth.answers)
        auth.publish(KeyDocument(keys=(first, second), revoked_sessions=("s1",)))
        await eventually(knows(source, first.kid, second.kid))
        assert source.current is not None
        assert source.current.revoked == {"s1"}


async def test_what_was_known_stays_while_auth_is_down(quickly: None) -> None:
    auth, address, key, later = Auth(), free_address(), jwk(), jwk()
    auth.publish(KeyDocument(keys=(key,)))
    source, failures = client_of(address)
    async with source.running():
        assert source.current is None
        async with published(auth, address):
            await eventually(knows(source, key.kid))
        await eventually(lambda: failures() > 0)
        assert knows(source, key.kid)()
        auth.publish(KeyDocument(keys=(later,)))
        async with published(auth, address):
            await eventually(knows(source, later.kid))


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"keys": [{"kid": 1}]}', b"\xff"])
async def test_nonsense_changes_nothing(quickly: None, document: bytes) -> None:
    auth, address, key = Auth(), free_address(), jwk()
    auth.publish(KeyDocument(keys=(key,)))
    source, failures = client_of(address)
    async with published(auth, address), source.running():
        await eventually(knows(source, key.kid))
        auth.document, auth.etag = document, b'"new"'
        await eventually(lambda: failures() > 0)
        assert knows(source, key.kid)()


async def test_strangers_keys_do_not_make_us_ask_all_the_time() -> None:
    auth, address = Auth(), free_address()
    auth.publish(KeyDocument(keys=(jwk(),)))
    source, _ = client_of(address)
    async with published(auth, address):
        await asyncio.gather(*(source.refetch() for _ in range(50)))
    assert len(auth.answers) == 1


async def test_who_waits_for_a_silent_auth_waits_for_one_fetch() -> None:
    """It outlasts the time between two fetches, and the poll must not stand behind dozens."""
    asked: list[asyncio.StreamWriter] = []

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(writer)

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as auth:
        host, port = auth.sockets[0].getsockname()
        source, failures = client_of(Address(host, port))
        strangers = [asyncio.create_task(source.refetch()) for _ in range(20)]
        await eventually(lambda: len(asked) == 1)
        async with source.running():
            await asyncio.gather(*strangers)
            assert len(asked) <= 2
            await eventually(lambda: failures() > 0)
        for writer in asked:
            writer.close()


def test_only_http_is_fetched() -> None:
    with pytest.raises(ValueError, match="JWKS_URL"):
        JwksClient("file:///etc/passwd", Loops(CollectorRegistry()))
