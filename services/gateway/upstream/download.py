"""An object on its way to a reader who may stop reading.

A connection to storage is held only while bytes flow. Once the reader stalls, the connection is
given up, and the rest is fetched in windows, each of them whole before it is passed on: a reader
costs a little memory, and no connection, for as long as it does not read.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Final

from services.gateway.http1.h1_client import Response
from services.gateway.http1.h1_errors import Abandoned, BadAnswer

WINDOW: Final = 256 * 1024  # bytes

_CONTENT_RANGE: Final = re.compile(rb"bytes (\d{1,18})-(\d{1,18})/(?:\d{1,18}|\*)\Z")

Fetch = Callable[[list[bytes]], Awaitable[Response]]
"""Asks storage for the object once more, with these header lines."""


class Download:
    """The body of ``response``, a begun answer of storage to a GET."""

    def __init__(self, response: Response, fetch: Fetch) -> None:
        self._response = response
        self._fetch = fetch
        headers = dict(response.headers)
        self._etag = headers.get(b"etag", b"")
        self._at, self._last = _extent(response.status, headers)
        self._released = False

    def release(self) -> None:
        """Hold no connection from now on: the reader has stalled."""
        resumable = self._etag and self._at <= self._last
        if resumable and not self._released and not self._response.complete:
            self._released = True
            self._response.close()
            self._response.body()  # what was read ahead is fetched again when it is wanted

    async def read(self) -> bytes:
        """The next bytes, b"" at the end. Raises UpstreamError where the rest is not to be had."""
        data = await self._held()
        if not data and self._released and self._at <= self._last:
            data = await self._window()
        self._at += len(data)
        return data

    async def _held(self) -> bytes:
        """The next bytes of the first answer; b"" where it has ended or was given up."""
        try:
            return await self._response.read()
        except Abandoned:
            if not self._released:
                raise
            return b""

    async def _window(self) -> bytes:
        end = min(self._last, self._at + WINDOW - 1)
        response = await self._fetch(
            [
                b"range: bytes=%d-%d\r\n" % (self._at, end),
                b"if-match: %b\r\n" % self._etag,
            ]
        )
        try:
            if response.status != 206 or dict(response.headers).get(b"etag") != self._etag:
                raise BadAnswer("the object has changed")
            window = bytearray()
            while data := await response.read():
                window += data
        finally:
            response.close()
        if len(window) != end + 1 - self._at:
            raise BadAnswer("another range than was asked for")
        return bytes(window)


def _extent(status: int, headers: dict[bytes, bytes]) -> tuple[int, int]:
    """The first and the last byte of the object that an answer has; the last is -1 if unknown."""
    if status == 206:
        found = _CONTENT_RANGE.match(headers.get(b"content-range", b""))
        return (int(found[1]), int(found[2])) if found else (0, -1)
    return 0, int(headers.get(b"content-length", b"0")) - 1
