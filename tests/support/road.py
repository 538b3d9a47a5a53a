"""A network that can be cut or go silent: a TCP proxy of our own in front of a server."""

import asyncio
import socket
from urllib.parse import urlsplit, urlunsplit


class Road:
    """The way to a server given by URL; ``url`` leads over it.

    Closing cuts what is under way. While it is mute, nothing passes in either direction and
    nothing is closed; new connections are accepted and hear nothing.
    """

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._server: asyncio.Server | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port: int = free.getsockname()[1]
        self._ways: set[asyncio.Task[None]] = set()
        self._passable = asyncio.Event()
        self._passable.set()
        login, at, _ = self._target.netloc.rpartition("@")
        netloc = f"{login}{at}127.0.0.1:{self._port}"
        self.url = urlunsplit(self._target._replace(netloc=netloc))

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self._port)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            for way in list(self._ways):
                way.cancel()
            await asyncio.gather(*self._ways, return_exceptions=True)
            await self._server.wait_closed()

    def mute(self) -> None:
        self._passable.clear()

    def unmute(self) -> None:
        self._passable.set()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(self._target.hostname, self._target.port)
        except OSError:
            writer.close()
            return
        for source, sink in ((reader, back), (there, writer)):
            way = asyncio.create_task(self._pump(source, sink))
            self._ways.add(way)
            way.add_done_callback(self._ways.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await self._passable.wait()
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            return
        finally:
            sink.close()
