"""The body of a request: read from the client no faster than the service takes it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from litestar.types import Receive

WHOLE: Final = 64 * 1024  # bytes; a body up to this is read before a connection is taken
SHORT_BODY_SECONDS: Final = 30.0  # in which a body up to WHOLE must arrive


class ClientGone(Exception):
    """The client hung up."""


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

    Raises ClientGone, BodyBroken, and BodyTooLarge after more than ``limit`` bytes.
    """
    seen = 0
    while seen != length:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
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
