"""What a process is made of, and how it runs from start to end.

A composition root is one function per role, ``compose`` or ``compose_<role>``: it takes the role's
settings and a ``Host``, opens what the role needs through the host, and returns a ``Process``.
Object storage has an opener of its own, ``shared.host.buckets``: its library is not everywhere.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar.types import ASGIApp
from prometheus_client import CollectorRegistry

from shared.http import server
from shared.http.identity import Verifier
from shared.http.jwks_client import JwksClient
from shared.http.metrics import create_registry
from shared.loops.cancellation import end
from shared.loops.loops import Loops
from shared.settings import Address
from shared.telemetry import get_logger

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from shared.database.connect import Silence
    from shared.database.reads import Reads
    from shared.event_store.postgres import PostgresEventStore

_log = get_logger(__name__)

Work = Callable[[], Coroutine[Any, Any, None]]
"""Starts something that runs until it is cancelled."""


class WorkEnded(Exception):
    """Work that should run for as long as its process has ended by itself."""


class Served(msgspec.Struct, frozen=True):
    """An application, where it listens, and how long its requests may take to end at a stop."""

    app: ASGIApp
    bind: Address
    drain_seconds: float = server.DRAIN_SECONDS


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """A composed process.

    ``work`` runs beside the servers, each under its name. ``drain`` is called at a stop, while the
    servers still answer; the servers stop next, the work is cancelled last.
    """

    servers: Sequence[Served]
    work: dict[str, Work] = {}
    drain: Callable[[], Awaitable[None]] | None = None


class Host:
    """Opens the resources of one process and closes them in reverse order at its end."""

    def __init__(self, registry: CollectorRegistry, stack: AsyncExitStack) -> None:
        self.registry: Final = registry
        self.loops: Final = Loops(registry)
        self.stack: Final = stack
        self._silence: Silence | None = None

    async def engine(self, url: str, *, size: int, quick: bool = False) -> "AsyncEngine":
        """A SQLAlchemy engine of at most ``2 * size`` connections, with metrics.

        ``quick``: for statements whose answer is not waited for as long as for others; without
        metrics.
        """
        # Here and below, for the gateway: it has no database, and SQLAlchemy takes 18 MB.
        from shared.database import connect  # noqa: PLC0415
        from shared.database.metrics import watch_engine  # noqa: PLC0415

        engine = connect.create_engine(
            url,
            size=size,
            answer_seconds=connect.QUICK_SECONDS if quick else connect.ANSWER_SECONDS,
            silence=self._silent_database(),
        )
        if not quick:
            watch_engine(self.registry, engine)
        self.stack.push_async_callback(engine.dispose)
        return engine

    async def reads(
        self, url: str, *, size: int, name: str = "reads", session: Mapping[str, str] | None = None
    ) -> "Reads":
        """Prepared reads over at most ``size`` connections, with metrics.

        ``name``: what the metrics call them. ``session``: settings of their sessions besides.
        """
        from shared.database.metrics import watch_pool  # noqa: PLC0415
        from shared.database.reads import Reads, create_read_pool  # noqa: PLC0415

        pool = await create_read_pool(
            url, size=size, silence=self._silent_database(), session=session
        )
        self.stack.push_async_callback(pool.close)
        watch_pool(self.registry, pool, name)
        return Reads(pool)

    async def log(self, url: str, *, connections: int = 6) -> "PostgresEventStore":
        """The event log, with metrics."""
        from shared.event_store.postgres import open_event_store  # noqa: PLC0415

        return await self.stack.enter_async_context(
            open_event_store(
                url,
                connections=connections,
                registry=self.registry,
                silence=self._silent_database(),
            )
        )

    def _silent_database(self) -> "Silence":
        """Shared by all that talks to the database, of which a process has one."""
        if self._silence is None:
            from shared.database.connect import Silence  # noqa: PLC0415

            self._silence = Silence()
            self.loops.database_silent = self._silence.found
        return self._silence

    def verifier(self, jwks_url: str, *, issuer: str, audience: str) -> Verifier:
        """Verifies access tokens with the keys that auth publishes."""
        return Verifier(JwksClient(jwks_url, self.loops), issuer=issuer, audience=audience)


@asynccontextmanager
async def open_host(otlp_endpoint: str | None = None) -> AsyncGenerator[Host]:
    """A host whose resources are closed when the context is left."""
    async with AsyncExitStack() as stack:
        yield Host(create_registry(otlp_endpoint), stack)


async def run_process(process: Process) -> None:
    """Serve and work until SIGTERM or SIGINT.

    Raises WorkEnded where work ends by itself, so that the process ends and is started again;
    SettingsError where a port is taken; TaskDidNotEnd where work outlives its cancellation.
    """
    stop = server.stop_on_signals()
    work: list[asyncio.Task[None]] = []
    try:
        async with AsyncExitStack() as servers:
            for served in process.servers:
                await servers.enter_async_context(
                    server.serving(served.app, served.bind, drain_seconds=served.drain_seconds)
                )
            work += [
                asyncio.create_task(begin(), name=name) for name, begin in process.work.items()
            ]
            ended = await _until_stopped(stop, work)
            if process.drain is not None:
                await process.drain()
    finally:
        await end(work)
    if ended is not None:
        raise WorkEnded(ended)


async def _until_stopped(stop: asyncio.Event, work: Sequence[asyncio.Task[None]]) -> str | None:
    """Wait for a signal, or for work that ends by itself; returns the name of the latter."""
    stopping = asyncio.create_task(stop.wait(), name="waiting for a signal")
    try:
        done, _ = await asyncio.wait({stopping, *work}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
    for task in done - {stopping}:
        error = None if task.cancelled() else task.exception()
        _log.error("work ended by itself", work=task.get_name(), error=repr(error))
        return task.get_name()
    return None
