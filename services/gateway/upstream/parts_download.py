"""Bytes of several objects, one after the other, on their way to a reader who may stop reading."""

from collections.abc import Awaitable, Callable, Iterator

from services.gateway.http1.h1_client import Response
from services.gateway.http1.h1_errors import BadAnswer
from services.gateway.upstream.download import Download
from shared.download_index import Part

Fetch = Callable[[str, list[bytes]], Awaitable[Response]]
"""Asks storage for the object with this key, with these header lines."""


class PartsDownload:
    """Holds one answer of storage at a time, and none for a reader who has stalled."""

    def __init__(self, parts: Iterator[Part], fetch: Fetch) -> None:
        self._parts = parts
        self._fetch = fetch
        self._response: Response | None = None
        self._download: Download | None = None

    async def begin(self) -> None:
        """Ask for the first part, so that what is missing is known before anything is sent.

        Raises UpstreamError.
        """
        await self._next()

    async def read(self) -> bytes:
        """The next bytes, b"" at the end. Raises UpstreamError where the rest is not to be had."""
        while self._download is not None:
            data = await self._download.read()
            if data:
                return data
            self.close()
            await self._next()
        return b""

    def release(self) -> None:
        """Hold no connection from now on: the reader has stalled."""
        if self._download is not None:
            self._download.release()

    def close(self) -> None:
        """End the answer that is being read."""
        if self._response is not None:
            self._response.close()
        self._response = self._download = None

    async def _next(self) -> None:
        part = next(self._parts, None)
        if part is None:
            return
        wanted = b"range: bytes=%d-%d\r\n" % (part.first, part.last)
        response = await self._fetch(part.key, [wanted])
        begun = dict(response.headers).get(b"content-range", b"").partition(b"/")[0]
        if response.status != 206 or begun != b"bytes %d-%d" % (part.first, part.last):
            response.close()
            raise BadAnswer(f"object storage answered {response.status} for a part")
        self._response = response
        self._download = Download(response, lambda more: self._fetch(part.key, more))
