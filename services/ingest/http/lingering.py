"""An early answer must arrive: what the client is still sending is read and thrown away.

A server that closes a connection with unread bytes resets it, and the reset overtakes the answer:
the person sees "connection lost" instead of "this is not a video" (RFC 9112, section 9.6).
"""

import asyncio
from typing import Any, Final

from litestar.types import ASGIApp, Message, Receive, Scope, Send

TOTAL_SECONDS: Final = 30.0
IDLE_SECONDS: Final = 5.0


class Lingering:
    """Middleware: the answer goes out at once, its end only after the request's."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ended = False
        last: Message | None = None

        async def watched_receive() -> Any:
            nonlocal ended
            event = await receive()
            ended = event["type"] != "http.request" or not event.get("more_body", False)
            return event

        async def held_send(message: Message) -> None:
            nonlocal last
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                last = {"type": "http.response.body", "body": b"", "more_body": False}
                message["more_body"] = True
            await send(message)

        await self._app(scope, watched_receive, held_send)
        if last is None:
            return
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                while not ended:
                    async with asyncio.timeout(IDLE_SECONDS):
                        await watched_receive()
        except TimeoutError:
            pass
        await send(last)
