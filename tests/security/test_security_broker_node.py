"""The broker's own ports, for its node and for the list of nodes, without the cookie (OWASP ASVS 5,
V13: configuration)."""

import asyncio
import os
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local import ports
from deploy.local.parts import rabbitmq
from deploy.local.supervisor import Supervisor
from tests.support.real_parts import ROOT

PASSWORD = "not-a-secret-but-long-enough"
# What a node of Erlang 26 must be able to do (erl_dist_protocol, distribution flags).
FLAGS = 0x0407_0F94 | 0x0300_0000 | 1 << 34


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[dict[str, int]]:
    """The ports of a broker as ``make up`` starts it."""
    packages = Path(os.environ.get("CINELOG_HOME") or ROOT / ".local").resolve() / "packages"
    given = ports.choose(rabbitmq.PORTS, {})
    steps = rabbitmq.steps(tmp_path / "home", given, PASSWORD, packages, management=False)
    supervisor = Supervisor(steps, tmp_path / "logs")
    await supervisor.start()
    try:
        yield given
    finally:
        await supervisor.stop()


async def test_strangers_can_neither_end_nor_join_the_broker(node: dict[str, int]) -> None:
    assert await asked(node["epmd"], b"k") == b"NO"
    names = await asked(node["epmd"], b"n")
    name = names[4:].split(b" ")[1]
    assert b"STOPPED" not in await asked(node["epmd"], b"s" + name)
    assert await asked(node["epmd"], b"n") == names
    answers = await handshake(node["rabbitmq_distribution"], b"stranger@localhost")
    # It asks for a proof that the cookie is known, and closes the connection without it.
    assert answers[0].startswith(b"sok")
    assert answers[1].startswith(b"N")
    assert answers[2] == b""
    assert await asked(node["epmd"], b"n") == names


async def asked(port: int, request: bytes) -> bytes:
    """What epmd answers before it closes the connection."""
    async with asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(struct.pack(">H", len(request)) + request)
        try:
            return await reader.read()
        finally:
            writer.close()


async def handshake(port: int, name: bytes) -> list[bytes]:
    """The node's messages to somebody who has a name and no cookie."""
    async with asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            greeting = b"N" + struct.pack(">QIH", FLAGS, 1, len(name)) + name
            writer.write(struct.pack(">H", len(greeting)) + greeting)
            answers = [await message(reader), await message(reader)]
            reply = b"r" + bytes(4) + bytes(16)
            writer.write(struct.pack(">H", len(reply)) + reply)
            return [*answers, await message(reader)]
        finally:
            writer.close()


async def message(reader: asyncio.StreamReader) -> bytes:
    """The next message; empty where the connection is closed."""
    try:
        (length,) = struct.unpack(">H", await reader.readexactly(2))
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""
