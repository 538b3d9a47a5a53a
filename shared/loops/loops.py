"""The one way to repeat and the one way to lead.

Both retry after every failure: the state of the work is in the database, so that unfinished work
is found again. Neither outlives its own cancellation, in whatever form it arrives.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

import asyncpg
from prometheus_client import CollectorRegistry, Counter, Gauge

from shared.loops.cancellation import (
    ForeignCancellation,
    TaskDidNotEnd,
    check_cancelled,
    no_foreign_cancellation,
)
from shared.loops.leaders import Leader
from shared.loops.leadership import lead_once
from shared.loops.progress import LoopProgress, Progress
from shared.loops.rest import Rest
from shared.loops.waiting import wait_for_event
from shared.telemetry import get_logger

_log = get_logger(__name__)

RETRY_SECONDS: Final = 1.0

LeadingBody = Callable[["asyncpg.Connection[asyncpg.Record]"], Awaitable[None]]
"""Runs while its process leads, over the connection that holds the lock."""


class Loops:
    """All loops of one process, with their metrics."""

    def __init__(
        self, registry: CollectorRegistry, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.progress = Progress(registry, clock)
        self.rest = Rest(clock)
        self.database_silent: Callable[[], None] = lambda: None
        """Called where a leader's session did not answer."""
        self._leader = Gauge(
            "cinelog_leader", "1 while this process leads.", ("leader",), registry=registry
        )
        self._failures = Counter(
            "cinelog_loop_failures",
            "Rounds of a loop that failed and are tried again.",
            ("loop",),
            registry=registry,
        )

    async def repeat(
        self,
        name: str,
        step: Callable[[], Awaitable[object]],
        seconds: float,
        *,
        wake: asyncio.Event | None = None,
        retry_seconds: float | None = RETRY_SECONDS,
        silence_seconds: float | None = None,
        rests: bool = False,
    ) -> NoReturn:
        """Call ``step`` until cancelled: again after ``seconds``, or as soon as ``wake`` is set.

        ``wake`` is cleared before each step. A loop that ``rests`` steps less often while nothing
        happens: what it looks for stirs ``self.rest``. A step that fails is logged, counted and
        repeated after ``retry_seconds``; with None its error ends the loop. A step may take longer
        than ``silence_seconds`` (at least a minute by default) only if it reports its progress to
        ``self.progress``.
        """
        with self.progress.loop(name, seconds, silence_seconds=silence_seconds) as progress:
            while True:
                if wake is not None:
                    wake.clear()
                if retry_seconds is None:
                    with no_foreign_cancellation():
                        await step()
                    check_cancelled()
                elif not await self._attempt(name, step):
                    progress.came_round()
                    await asyncio.sleep(retry_seconds)
                    continue
                progress.came_round()
                if rests:
                    await self.rest.pause(seconds, wake)
                elif wake is None:
                    await asyncio.sleep(seconds)
                else:
                    await wait_for_event(wake, seconds)

    async def persist(
        self,
        name: str,
        session: Callable[[LoopProgress], Awaitable[object]],
        *,
        retry_seconds: float = RETRY_SECONDS,
        silence_seconds: float | None = None,
    ) -> NoReturn:
        """Run ``session`` again whenever it ends or fails, until cancelled.

        For what holds a connection open (LISTEN, a broker's consumer). The session reports to the
        progress that it is given, whether or not anything arrives.
        """
        with self.progress.loop(name, retry_seconds, silence_seconds=silence_seconds) as progress:
            while True:
                await self._attempt(name, lambda: session(progress))
                progress.came_round()
                await asyncio.sleep(retry_seconds)

    async def lead(
        self,
        leader: Leader,
        url: str,
        body: LeadingBody,
        *,
        heartbeat: bool = True,
        retry_seconds: float = RETRY_SECONDS,
    ) -> NoReturn:
        """Run ``body`` whenever this process leads, until cancelled (see ``lead_once``).

        A body that fails or ends costs the leadership, which any replica may then take. Raises
        TaskDidNotEnd where a body outlives its cancellation: the process must end, because
        another one leads by then.
        """
        gauge = self._leader.labels(leader.value)
        gauge.set(0)

        async def leading(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
            gauge.set(1)
            _log.info("leadership gained", leader=leader.value)
            try:
                await body(connection)
            finally:
                gauge.set(0)

        name = f"lead {leader.value}"
        with self.progress.loop(name, retry_seconds) as progress:
            while True:
                try:
                    with no_foreign_cancellation():
                        await lead_once(
                            url,
                            leader.lock,
                            leading,
                            heartbeat=heartbeat,
                            alive=progress.came_round,
                            silent=self.database_silent,
                        )
                    _log.error("leading ended", leader=leader.value)
                except TaskDidNotEnd:
                    raise
                except Exception as error:
                    check_cancelled()
                    self._failures.labels(name).inc()
                    _log.warning("leadership lost", leader=leader.value, error=repr(error))
                await asyncio.sleep(retry_seconds)

    async def _attempt(self, name: str, step: Callable[[], Awaitable[object]]) -> bool:
        # A task of its own: a task group that fails leaves a request to cancel on the task that it
        # is in (Python 3.11), which the next check would take for the end of the loop.
        attempt = asyncio.create_task(_without_foreign_cancellation(step), name=name)
        while not attempt.done():
            try:
                await asyncio.wait({attempt})
            except asyncio.CancelledError:
                attempt.cancel()
        error = _error_of(attempt)
        check_cancelled()
        if error is None:
            return True
        if isinstance(error, TaskDidNotEnd) or not isinstance(error, Exception):
            raise error
        self._failures.labels(name).inc()
        _log.warning("loop failed", loop=name, error=repr(error))
        return False


async def _without_foreign_cancellation(step: Callable[[], Awaitable[object]]) -> None:
    with no_foreign_cancellation():
        await step()


def _error_of(attempt: asyncio.Task[None]) -> BaseException | None:
    """What a task that has ended raised."""
    if attempt.cancelled():
        return ForeignCancellation("a library cancelled what was waited for")
    return attempt.exception()
