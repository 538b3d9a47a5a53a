"""A request's body, read from the server only as fast as it is stored."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from litestar import Request

from services.ingest.ports import ClientGone, Stalled, UploadLost

IDLE_SECONDS: Final = 60.0
"""Seconds without a byte after which a request is given up."""


class IncomingBody:
    """Implements ``ports.Body``. The server reads the next piece when it is asked for."""

    def __init__(
        self, request: Request[Any, Any, Any], *, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self._receive = request.receive
        self._idle_seconds = idle_seconds
        self._waiting: asyncio.Timeout | None = None
        self._interrupted = False
        self.ended = False

    def interrupt(self) -> None:
        self._interrupted = True
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
        try:
            async with asyncio.timeout(self._idle_seconds) as self._waiting:
                return await self._receive()
        except TimeoutError:
            if self._interrupted:
                raise UploadLost("Another request goes on with this upload.") from None
            raise Stalled(f"No byte arrived for {self._idle_seconds:g} seconds.") from None
        finally:
            self._waiting = None
