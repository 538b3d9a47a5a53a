"""Delivers an answer that is sent before the request has ended: the rest is read and discarded.

A server that closes a connection with unread bytes resets it, and the client may lose the answer:
people see "connection lost" instead of "this is not a video" (RFC 9112, section 9.6).
"""

import asyncio
from typing import Any, Final

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from shared.http.client import CLIENT_HEADER

TOTAL_SECONDS: Final = 30.0
IDLE_SECONDS: Final = 5.0
# The gateway sends nothing more once an answer has begun: what comes is on its way already.
GATEWAY_IDLE_SECONDS: Final = 0.5
_CLIENT: Final = CLIENT_HEADER.encode()


class Lingering:
    """One request's ``receive`` and ``send``: the answer is passed on except for its end.

    Call ``finish`` when the application is done. ``length`` is the request's, if it is known: a
    request that has arrived completely needs no further reading.
    """

    def __init__(self, receive: Receive, send: Send, length: int = -1) -> None:
        self._receive = receive
        self._send = send
        self._missing = length
        self._ended = False
        self._last: Message | None = None

    async def receive(self) -> Any:
        """The next part of the request."""
        event = await self._receive()
        self._ended = event["type"] != "http.request" or not event.get("more_body", False)
        if self._missing > 0 and event["type"] == "http.request":
            self._missing -= len(event.get("body", b""))
            self._ended = self._ended or self._missing <= 0
        return event

    async def send(self, message: Message) -> None:
        """Pass on the answer except for its end."""
        if message["type"] == "http.response.start" and not self._ended:
            # Without a length the server sends chunks, and the last one can be held back. After
            # the last byte of a known length the server would close the connection by itself.
            message["headers"] = [
                pair for pair in message["headers"] if pair[0].lower() != b"content-length"
            ]
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._last = {"type": "http.response.body", "body": b"", "more_body": False}
            message["more_body"] = True
        await self._send(message)

    @property
    def has_more(self) -> bool:
        """Whether some of the request may still come."""
        return self._last is not None and not self._ended

    async def finish(self, *, by_gateway: bool = False) -> None:
        """Read the rest of the request, up to a limit, then end the answer."""
        idle = GATEWAY_IDLE_SECONDS if by_gateway else IDLE_SECONDS
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                while self.has_more:
                    async with asyncio.timeout(idle):
                        await self.receive()
        except TimeoutError:
            pass
        await self.end()

    async def end(self) -> None:
        """End the answer now. What was not read yet may cost the client the answer."""
        if self._last is not None:
            await self._send(self._last)


class LingeringMiddleware:
    """``Lingering`` for routes that take large bodies."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Lingering(receive, send)
        await self._app(scope, request.receive, request.send)
        await request.finish(by_gateway=any(name == _CLIENT for name, _ in scope["headers"]))
