"""Connections that are opened and left alone."""

import asyncio
import os
import resource
import socket

import pytest

from services.gateway.limits import connections
from services.gateway.limits.open_requests import REFUSED_PER_ADDRESS
from services.gateway.request.routes import Open
from shared.http import lingering
from tests.integration.gateway.rig import Peer, Request, Rig, Service, running_gateway
from tests.integration.gateway.wire import EVENTS, TAGS
from tests.security.fair.attackers import BEGUN, Client, clients, others
from tests.support.wait import eventually

TOO_LARGE = b"PATCH /api/v1/users/email HTTP/1.1\r\nhost: x\r\ncontent-length: 90000000\r\n\r\n"


@pytest.fixture(autouse=True)
def _many_files():
    """Both ends of all connections are in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_idle_connections_of_one_address_delay_nobody_else(service: Service, redis_url: str):
    async with (
        running_gateway(service, redis_url, max_idle_connections_per_address=50) as rig,
        clients(rig.port, 600) as idle,
    ):
        assert await others(rig.port) < 5
        # The oldest are ended; the newest can still be used, by somebody else at this address.
        for client in idle[:500]:
            assert await client.closed(60) == b""
        async with clients(rig.port, 1) as (newest,):
            await newest.ask(TAGS)
            assert await newest.status() == 200


async def test_what_is_refused_keeps_few_connections(
    service: Service, redis_url: str, monkeypatch: pytest.MonkeyPatch
):
    """Their bodies never come, and the end of the answer waits for them, with no other place."""
    monkeypatch.setattr(lingering, "TOTAL_SECONDS", 3600.0)
    monkeypatch.setattr(lingering, "IDLE_SECONDS", 3600.0)
    async with (
        running_gateway(service, redis_url) as rig,
        clients(rig.port, 300) as refused,
    ):
        for client in refused:
            client.writer.write(TOO_LARGE)
        assert {await client.status() for client in refused} == {413}
        opened = rig.app._open_requests
        await eventually(lambda: len(rig.app._connections._busy) == REFUSED_PER_ADDRESS)
        assert opened._open[Open.REFUSED] == REFUSED_PER_ADDRESS
        hung_up = [asyncio.create_task(client.closed(600)) for client in refused]
        await eventually(lambda: sum(map(asyncio.Task.done, hung_up)) == 300 - REFUSED_PER_ADDRESS)
        other = await Client.connect(rig.port, "127.0.0.77")
        other.writer.write(TOO_LARGE)
        assert await other.status() == 413
        await eventually(lambda: opened._open[Open.REFUSED] == REFUSED_PER_ADDRESS + 1)
        for client in (*refused, other):
            client.close()
        await eventually(lambda: opened._open[Open.REFUSED] == 0)
        await asyncio.gather(*hung_up)


async def test_connections_with_a_request_under_way_are_not_idle(service: Service, redis_url: str):
    said = asyncio.Event()

    async def handler(request: Request, peer: Peer) -> None:
        await peer.say(BEGUN)
        await said.wait()
        await peer.say(b"4\r\nmore\r\n")
        await peer.gone()

    service.handler = handler
    async with (
        running_gateway(service, redis_url, max_idle_connections_per_address=5) as rig,
        clients(rig.port, 20) as busy,
    ):
        for client in busy:
            await client.ask(EVENTS)
            assert await client.status() == 200
        async with clients(rig.port, 30) as idle:
            assert await idle[0].closed() == b""
            await eventually(lambda: len(rig.app._connections._idle_since) <= 5)
            assert len(rig.app._connections._busy) == 20
            assert rig.app._open_requests._open[Open.STREAM] == 20
            # Each of them still hears what its service says.
            said.set()
            for client in busy:
                async with asyncio.timeout(60):
                    await client.reader.readuntil(b"more")


async def test_behind_a_proxy_its_connections_are_not_counted(service: Service, redis_url: str):
    async with (
        running_gateway(service, redis_url, trusted_proxies=1) as rig,
        clients(rig.port, connections.PER_ADDRESS + 100) as idle,
    ):
        assert rig.settings.idle_connections is None
        await _swept(rig)
        assert not any(client.reader.at_eof() for client in idle)
        await idle[0].ask(TAGS)
        assert await idle[0].status() == 200


async def _swept(rig: Rig) -> None:
    """Wait until all connections have been looked at."""
    await eventually(lambda: len(rig.app._connections._idle_since) > connections.PER_ADDRESS + 99)


async def test_the_system_gives_up_readers_as_the_gateway_does(service: Service, redis_url: str):
    """Accepted sockets inherit the limit of the listener."""
    async with running_gateway(service, redis_url) as rig:
        found: list[int] = []

        async def limited() -> bool:
            client = await Client.connect(rig.port)
            mine = client.writer.get_extra_info("sockname")
            await client.ask(TAGS)
            await client.status()
            found[:] = [_user_timeout(mine, rig.port)]
            client.close()
            return found == [30_000]

        await eventually(limited)


def _user_timeout(peer: tuple[str, int], port: int) -> int:
    """The limit of the gateway's socket whose other end is ``peer``."""
    for descriptor in range(3, 4096):
        try:
            with socket.socket(fileno=os.dup(descriptor)) as one:
                ends = (one.getsockname(), one.getpeername())
                if ends == (("127.0.0.1", port), peer):
                    return one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        except OSError:
            continue
    return 0
