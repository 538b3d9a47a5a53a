"""A request's body, taken from the client no faster than the service takes it."""

import asyncio
from collections.abc import AsyncIterator

from litestar.types import Receive

WHOLE = 64 * 1024  # a body up to this is collected before a connection is taken
STALL = 30.0  # seconds in which a short body must arrive


class ClientGone(Exception):
    """The client hung up."""


class BodyTooLarge(Exception):
    """More than the route allows."""


class BodyTooSlow(Exception):
    """It did not arrive in time."""


class BodyBroken(Exception):
    """It ended before the length it promised."""


async def whole(receive: Receive, length: int) -> bytes:
    """A short body of a known length."""
    chunks: list[bytes] = []
    missing = length
    try:
        async with asyncio.timeout(STALL):
            while missing > 0:
                message = await receive()
                if message["type"] != "http.request":
                    raise ClientGone
                data = message.get("body", b"")
                chunks.append(data)
                missing -= len(data)
                if missing > 0 and not message.get("more_body", False):
                    raise BodyBroken
    except TimeoutError:
        raise BodyTooSlow from None
    return b"".join(chunks)


async def framed(receive: Receive, length: int, limit: int) -> AsyncIterator[bytes]:
    """A long body, framed for the wire: `length` bytes as they are, or in chunks if it is -1.

    ClientGone, BodyBroken; BodyTooLarge once more than `limit` bytes came.
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
