"""Connections that take without giving back: raw clients, each from an address of its choice."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx

from tests.integration.gateway.rig import Peer, Request, Service
from tests.integration.gateway.wire import TAGS

EVENTS = "/api/v1/jobs/{}/events"
BEGUN = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    b"transfer-encoding: chunked\r\n\r\n8\r\nretry: 1\r\n"
)


class Client:
    """One raw connection to the gateway. The whole of 127.0.0.0/8 is this machine."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, port: int, address: str = "127.0.0.1", buffer: int = 0) -> "Client":
        """``buffer``: bytes that the system reads ahead of this client."""
        connection = socket.socket()
        connection.setblocking(False)
        if buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.bind((address, 0))
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        return cls(*await asyncio.open_connection(sock=connection, limit=max(buffer, 1024)))

    async def ask(self, path: str, **headers: str) -> None:
        """Send a GET."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\n{lines}\r\n".encode())
        await self.writer.drain()

    async def status(self) -> int:
        """The status of the answer, once it has begun."""
        async with asyncio.timeout(30):
            head = await self.reader.readuntil(b"\r\n\r\n")
        return int(head[9:12])

    async def closed(self, seconds: float = 30) -> bytes:
        """What still came before the gateway hung up."""
        async with asyncio.timeout(seconds):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    def close(self) -> None:
        self.writer.close()


@asynccontextmanager
async def clients(port: int, count: int, buffer: int = 0) -> AsyncIterator[list[Client]]:
    """Connections that have sent nothing yet."""
    opened: list[Client] = []
    try:
        while len(opened) < count:
            opened.append(await Client.connect(port, buffer=buffer))
        yield opened
    finally:
        for client in opened:
            client.close()


async def hanging(service: Service, request: Request, peer: Peer) -> None:
    """A service whose event streams stay open; everything else is answered."""
    if request.target.endswith("/events"):
        await peer.say(BEGUN)
        await peer.gone()
    else:
        await service.echo(request, peer)


@asynccontextmanager
async def streams(
    port: int, count: int, token: Callable[[int], str], address: str = "127.0.0.1"
) -> AsyncIterator[list[Client]]:
    """``count`` event streams that have begun, each with the token of its number."""
    opened: list[Client] = []

    async def one(number: int) -> None:
        client = await Client.connect(port, address)
        opened.append(client)
        await client.ask(EVENTS.format(number), authorization=f"Bearer {token(number)}")
        assert await client.status() == 200

    try:
        for start in range(0, count, 50):
            await asyncio.gather(*map(one, range(start, min(count, start + 50))))
        yield opened
    finally:
        for client in opened:
            client.close()


async def slowest(ask: Callable[[], Awaitable[httpx.Response]], times: int = 20) -> float:
    """The longest of some requests in seconds; all of them must succeed."""
    longest = 0.0
    for _ in range(times):
        began = time.perf_counter()
        assert (await ask()).status_code == 200
        longest = max(longest, time.perf_counter() - began)
    return longest


async def others(port: int, path: str = TAGS) -> float:
    """The longest that somebody at another address waits for ``path``."""
    transport = httpx.AsyncHTTPTransport(local_address="127.0.0.77")
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=20
    ) as client:
        return await slowest(lambda: client.get(path))
