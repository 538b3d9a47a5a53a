"""The body of a request: read from the client no faster than the service takes it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from litestar.types import Receive

from shared.pace import Pace

WHOLE: Final = 64 * 1024  # bytes; a body up to this is read before a connection is taken
SHORT_BODY_SECONDS: Final = 30.0  # in which a body up to WHOLE must arrive

# What a longer body must keep up. Ingest asks for more, and says so in its own words.
MIN_BYTES_PER_SECOND: Final = 256
SLOW_SECONDS: Final = 60.0


class ClientGone(Exception):
    """The client hung up, or sent a body that the server cannot read."""


class BodyTooLarge(Exception):
    """The body is longer than the route allows."""


class BodyTooSlow(Exception):
    """The body did not arrive in time."""


class BodyBroken(Exception):
    """The body ended before its stated length."""


async def whole(receive: Receive, length: int) -> bytes:
    """A short body of ``length`` bytes. Raises ClientGone, BodyBroken, BodyTooSlow."""
    try:
        async with asyncio.timeout(SHORT_BODY_SECONDS):
            return await _collect(receive, length)
    except TimeoutError:
        raise BodyTooSlow from None


async def whole_chunks(receive: Receive, limit: int) -> bytes:
    """A body of unknown length, up to ``limit`` bytes.

    Raises ClientGone, BodyTooSlow, and BodyTooLarge after more than ``limit`` bytes.
    """
    try:
        async with asyncio.timeout(SHORT_BODY_SECONDS):
            return await _collect_chunks(receive, limit)
    except TimeoutError:
        raise BodyTooSlow from None


async def _collect_chunks(receive: Receive, limit: int) -> bytes:
    chunks: list[bytes] = []
    seen = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        chunks.append(message.get("body", b""))
        seen += len(chunks[-1])
        if seen > limit:
            raise BodyTooLarge
        if not message.get("more_body", False):
            return b"".join(chunks)


async def _next(receive: Receive, pace: Pace) -> Any:
    """The next message of a body. Raises BodyTooSlow, ClientGone."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with asyncio.timeout(pace.left):
            message: Any = await receive()
    except TimeoutError:
        raise BodyTooSlow from None
    if message["type"] != "http.request":
        raise ClientGone
    pace.arrived(len(message.get("body", b"")), loop.time() - began)
    return message


async def _collect(receive: Receive, missing: int) -> bytes:
    chunks: list[bytes] = []
    while missing > 0:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        data = message.get("body", b"")
        chunks.append(data)
        missing -= len(data)
        if missing > 0 and not message.get("more_body", False):
            raise BodyBroken
    return b"".join(chunks)


async def framed(receive: Receive, length: int, limit: int) -> AsyncIterator[bytes]:
    """A long body, framed for the wire: in chunks where ``length`` is -1, else as it is.

    Raises ClientGone, BodyBroken, BodyTooSlow, and BodyTooLarge after more than ``limit`` bytes.
    """
    seen = 0
    pace = Pace(MIN_BYTES_PER_SECOND, SLOW_SECONDS)
    while seen != length:
        message = await _next(receive, pace)
        data = message.get("body", b"")
        seen += len(data)
        if seen > limit:
            raise BodyTooLarge
        if length >= 0:
            if data:
                yield data
            if seen != length and not message.get("more_body", False):
                raise BodyBroken
        else:
            if data:
                yield b"%x\r\n%b\r\n" % (len(data), data)
            if not message.get("more_body", False):
                yield b"0\r\n\r\n"
                return
