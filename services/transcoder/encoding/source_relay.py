"""Serves sources to ffmpeg at addresses on the loopback interface (RFC 9110, range requests).

ffmpeg reads a source that is too large for a local file by HTTP. It gets a secret path of this
server instead of an address of the storage, so its sandbox permits one local port, and neither
names, TLS nor signatures of the storage are within reach of a decoder.
"""

import asyncio
import re
import secrets
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Final, cast

import msgspec

from services.transcoder.planning.hidden import Hidden, Hiding
from shared.blobs.store import BlobNotFound, BlobStore, BlobStoreUnavailable
from shared.telemetry import get_logger

_log = get_logger(__name__)

_HOST: Final = "127.0.0.1"
_HEAD_BYTES: Final = 16 << 10
_HEAD_SECONDS: Final = 10.0
# A path is forgotten when so many other sources were used later: far more than tasks at a time.
_MOST_PATHS: Final = 512
_RANGE: Final = re.compile(rb"(?im)^range: *bytes=(\d{1,19})-(\d{0,19})\r?$")


class _Shared(msgspec.Struct, frozen=True):
    """An object that a path shows from byte ``first`` on, and the size of that in bytes."""

    store: BlobStore
    key: str
    size: int
    first: int
    hidden: tuple[Hidden, ...] = ()


class SourceRelay:
    """The server. Only who knows a path can read its object."""

    def __init__(self) -> None:
        self._shared: OrderedDict[str, _Shared] = OrderedDict()
        self._answering: set[asyncio.Task[None]] = set()
        self._port: int | None = None

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["SourceRelay"]:
        """Serve while entered."""
        server = await asyncio.start_server(self._accept, _HOST, 0, limit=_HEAD_BYTES)
        self._port = server.sockets[0].getsockname()[1]
        try:
            async with server:
                yield self
        finally:
            for task in self._answering:
                task.cancel()
            await asyncio.gather(*self._answering, return_exceptions=True)

    def share(
        self,
        store: BlobStore,
        key: str,
        size: int,
        first: int = 0,
        *,
        hidden: tuple[Hidden, ...] = (),
    ) -> str:
        """The address of an object of ``size`` bytes from byte ``first`` on; the same each time."""
        if self._port is None:
            raise RuntimeError("the relay does not serve")
        shared = _Shared(store, key, size - first, first, hidden)
        known = (path for path, each in self._shared.items() if each == shared)
        path = next(known, None) or secrets.token_urlsafe(32)
        self._shared[path] = shared
        self._shared.move_to_end(path)
        while len(self._shared) > _MOST_PATHS:
            self._shared.popitem(last=False)
        return f"http://{_HOST}:{self._port}/{path}"

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        try:
            async with asyncio.timeout(_HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            await self._answer(head, writer)
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.transport.abort()
        except ConnectionError:
            # ffmpeg closes a connection when it seeks.
            writer.transport.abort()
        except BlobStoreUnavailable as error:
            # ffmpeg sees that the answer is cut off, and asks for the rest again.
            _log.warning("source not relayed", error=repr(error))
            writer.transport.abort()
        finally:
            writer.close()

    async def _answer(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].decode("latin-1").removeprefix("/")
        shared = self._shared.get(path)
        if method != b"GET" or shared is None:
            return await _send_status(writer, "404 Not Found")
        self._shared.move_to_end(path)
        asked = _RANGE.search(head)
        start = int(asked[1]) if asked else 0
        end = min(int(asked[2]) + 1, shared.size) if asked and asked[2] else shared.size
        if start >= end:
            return await _send_status(
                writer, "416 Range Not Satisfiable", f"Content-Range: bytes */{shared.size}\r\n"
            )
        found = shared.store.open(shared.key, shared.first + start, shared.first + end)
        parts = cast("AsyncGenerator[bytes]", found)
        async with aclosing(parts):
            # The status is known when the storage has answered.
            try:
                part = await anext(parts, b"")
            except BlobNotFound:
                return await _send_status(writer, "404 Not Found")
            except BlobStoreUnavailable:
                return await _send_status(writer, "503 Service Unavailable")
            place = f"Content-Range: bytes {start}-{end - 1}/{shared.size}\r\n" if asked else ""
            status = "206 Partial Content" if asked else "200 OK"
            await _send(writer, _head(status, end - start, f"{place}Accept-Ranges: bytes\r\n"))
            hiding = Hiding(start, shared.hidden)
            while part:
                await _send(writer, hiding.add(part))
                part = await anext(parts, b"")
            await _send(writer, hiding.end())
        return None


async def _send_status(writer: asyncio.StreamWriter, status: str, fields: str = "") -> None:
    await _send(writer, _head(status, 0, fields))


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Raises ConnectionResetError where ffmpeg went while the storage was asked."""
    if writer.transport.is_closing():
        raise ConnectionResetError("the connection is closed")
    writer.write(data)
    await writer.drain()


def _head(status: str, length: int, fields: str) -> bytes:
    ending = f"Content-Length: {length}\r\nConnection: close\r\n\r\n"
    return f"HTTP/1.1 {status}\r\n{fields}{ending}".encode("latin-1")
