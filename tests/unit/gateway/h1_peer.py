"""A server that does to the HTTP/1.1 client what a test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from services.gateway.http1.h1_client import (
    Response,
)
from services.gateway.http1.h1_pool import Pool, PoolLimits

Talk = Callable[["Peer"], Awaitable[None]]
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Peer:
    """One accepted connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def gone(self) -> None:
        """Return when the other side has hung up."""
        while True:
            try:
                if not await self.reader.read(65536):
                    return
            except ConnectionError:
                return


class Server:
    """Runs ``talk`` for each connection; counts them."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.connections = 0
        self.requests = 0
        self.port = 0

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self.talk(Peer(reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(
    talk: Talk, limits: PoolLimits | None = None
) -> AsyncIterator[tuple[Pool, Server]]:
    server = Server(talk)
    listener = await asyncio.start_server(server.accept, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    pool = Pool("127.0.0.1", server.port, limits=limits)
    try:
        yield pool, server
    finally:
        pool.close()
        listener.close()
        await listener.wait_closed()


def saying(*answers: bytes, then: str = "keep") -> Talk:
    """Answer each request with the next of ``answers``; then keep the connection or close it."""

    async def talk(peer: Peer) -> None:
        for answer in answers:
            await peer.head()
            await peer.say(answer)
        if then == "keep":
            await peer.gone()

    return talk


async def whole(response: Response) -> bytes:
    parts = []
    while data := await response.read():
        parts.append(data)
    return b"".join(parts)
