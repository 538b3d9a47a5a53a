"""Sends one publisher's tags to one target, and tries again where that fails."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from services.live.flv.tags import Content, Tag
from services.live.simulcast.backlog import Backlog
from services.live.simulcast.connection import Connection, TargetFailed, Transport
from services.live.simulcast.targets import PROVEN_SECONDS, delay, shown_words
from shared.contracts import SimulcastState
from shared.loops.cancellation import check_cancelled, end
from shared.telemetry import get_logger

_log = get_logger(__name__)

_SLOW_SECONDS: Final = 20.0


class Progress(msgspec.Struct, frozen=True):
    """How a target is doing. ``error``: why it was last lost, for people."""

    state: SimulcastState
    error: str | None = None
    dropped: int = 0


class Sender:
    """Begins at once, and goes on until it is stopped or gives up.

    ``headers``: what the publisher said before, by kind. ``pause`` waits between two tries.
    """

    def __init__(
        self,
        target_id: str,
        transport: Transport,
        headers: dict[int, Tag],
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.target_id = target_id
        self._transport = transport
        self._backlog = Backlog(headers)
        self._pause = pause
        self._arrived = asyncio.Event()
        self._state: SimulcastState = "starting"
        self._error: str | None = None
        self._failures = 0
        self._task = asyncio.create_task(self._run(), name="simulcast")

    @property
    def progress(self) -> Progress:
        return Progress(self._state, self._error, self._backlog.dropped)

    @property
    def task(self) -> asyncio.Task[None]:
        """Ends when it gives up; cancel it to stop."""
        return self._task

    def offer(self, tag: Tag, inside: Content | None) -> None:
        """Never waits."""
        if self._state != "errored":
            self._backlog.add(tag, inside)
            self._arrived.set()

    async def _run(self) -> None:
        while self._state != "errored":
            try:
                await self._broadcast()
            except TargetFailed as error:
                self._failed(str(error))
            except (OSError, EOFError, TimeoutError):
                self._failed("The connection was lost.")
            except Exception:
                check_cancelled()
                _log.exception("simulcast failed", target=self.target_id)
                self._failed("The stream cannot be sent.")
            seconds = delay(self._failures)
            if seconds is None:
                self._state = "errored"
                return
            await self._pause(seconds)

    def _failed(self, reason: str) -> None:
        self._failures += 1
        self._state = "retrying"
        self._error = shown_words(reason, *self._transport.secrets)
        self._backlog.restart()
        _log.info("simulcast target lost", target=self.target_id, failures=self._failures)

    async def _broadcast(self) -> None:
        """Connect and send for as long as it goes well."""
        connection = await self._transport.connect()
        began = time.monotonic()
        self._state, self._error = "broadcasting", None
        watching = asyncio.create_task(connection.watch())
        try:
            # What came before the connection is old.
            self._backlog.restart()
            await self._send(connection, watching)
        finally:
            if time.monotonic() - began > PROVEN_SECONDS:
                self._failures = 0
            try:
                await end([watching])
            finally:
                await connection.close()

    async def _send(self, connection: Connection, watching: "asyncio.Task[None]") -> None:
        while True:
            while len(self._backlog) and not watching.done():
                try:
                    async with asyncio.timeout(_SLOW_SECONDS):
                        await connection.send(self._backlog.take())
                except TimeoutError:
                    raise TargetFailed("It takes the stream too slowly.") from None
            self._arrived.clear()
            arrival = asyncio.create_task(self._arrived.wait())
            try:
                await asyncio.wait({arrival, watching}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                arrival.cancel()
            if watching.done():
                await watching
