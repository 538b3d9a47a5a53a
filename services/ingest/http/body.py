"""A request's body, read from the server only as fast as it is stored."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from litestar import Request

from services.ingest.ports import ClientGone, Stalled, UploadLost
from shared.http.client import client_address
from shared.pace import Pace

# Whoever has been waited for so long, in seconds, and sends fewer bytes a second is slow.
PATIENCE: Final = 5.0
SLOW_RATE: Final = 64 * 1024


class IncomingBody:
    """Implements ``ports.Body``. The server reads the next piece when it is asked for."""

    def __init__(self, request: Request[Any, Any, Any], pace: Pace) -> None:
        self._receive = request.receive
        self._pace = pace
        self.length = _announced(request)
        self.address = client_address(request)
        self._waiting: asyncio.Timeout | None = None
        self._waiting_since: float | None = None
        self._waited = 0.0
        self._arrived = 0
        self._interrupted = self._displaced = False
        self.ended = False

    @property
    def slow(self) -> bool:
        waited = self._waited
        if self._waiting_since is not None:
            waited += asyncio.get_running_loop().time() - self._waiting_since
        return waited > PATIENCE and self._arrived < waited * SLOW_RATE

    def interrupt(self) -> None:
        self._interrupted = True
        self._stop_waiting()

    def displace(self) -> None:
        self._displaced = True
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while not self.ended:
            event = await self._next()
            if event["type"] == "http.disconnect":
                raise ClientGone("The connection was closed before the upload was whole.")
            self.ended = not event.get("more_body", False)
            if event["body"]:
                yield event["body"]

    async def _next(self) -> Any:
        if self._interrupted:
            raise UploadLost("Another request goes on with this upload.")
        if self._displaced:
            raise Stalled("The upload arrives too slowly, and others wait.")
        loop = asyncio.get_running_loop()
        self._waiting_since = began = loop.time()
        try:
            async with asyncio.timeout(self._pace.left) as self._waiting:
                event: Any = await self._receive()
        except TimeoutError:
            if self._interrupted:
                raise UploadLost("Another request goes on with this upload.") from None
            raise Stalled("The upload arrives too slowly.") from None
        finally:
            self._waiting = self._waiting_since = None
        waited = loop.time() - began
        self._waited += waited
        self._arrived += len(event.get("body", b""))
        self._pace.arrived(len(event.get("body", b"")), waited)
        return event


def _announced(request: Request[Any, Any, Any]) -> int | None:
    """The size of the body in bytes; None where it is not announced."""
    value = request.headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None
