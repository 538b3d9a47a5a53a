"""Targets that are not what they seem."""

import asyncio
import ssl
from pathlib import Path

import pytest

from services.live.flv import amf0
from services.live.rtmp import wire
from services.live.simulcast.connection import TargetFailed
from services.live.simulcast.dialing import Dialer
from shared.public_addresses import Reach
from tests.integration.live.simulcast_targets import (
    answering,
    place,
    sender,
    stop,
    target,
)
from tests.support.certificates import self_signed
from tests.support.wait import eventually


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


def certified(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context of localhost, and a client's that trusts it."""
    made, key = self_signed("localhost", hosts=("localhost",))
    chain = folder / "chain.pem"
    chain.write_bytes(key + made)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    return server, ssl.create_default_context(cadata=made.decode())


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
