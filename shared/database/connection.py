"""A connection whose every wait ends, that of a task which was asked to end soonest."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import asyncpg

T = TypeVar("T")

# Seconds that the server has to answer what a task does that gives up: a cancelled statement, a
# rollback, a goodbye. The server does the same where the connection just ends.
PARTING_SECONDS: Final = 2.0
_ROLLBACK: Final = "ROLLBACK"


class BoundedConnection(asyncpg.Connection):  # type: ignore[type-arg]
    """A connection that is closed after a statement timed out.

    asyncpg asks the server to cancel a statement, and waits for the answer before the connection
    is used, released or closed. A silent server never answers.
    """

    @staticmethod
    def found_silent() -> None:
        """A statement was not answered in time."""

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        if timeout is None and query.startswith(_ROLLBACK):
            timeout = PARTING_SECONDS
        return await self._bounded(super().execute(query, *args, timeout=timeout))

    async def executemany(self, command: str, args: Any, *, timeout: float | None = None) -> None:
        await self._bounded(super().executemany(command, args, timeout=timeout))

    async def fetch(self, *args: Any, **options: Any) -> Any:
        return await self._bounded(super().fetch(*args, **options))

    async def fetchval(self, *args: Any, **options: Any) -> Any:
        return await self._bounded(super().fetchval(*args, **options))

    async def fetchrow(self, *args: Any, **options: Any) -> Any:
        return await self._bounded(super().fetchrow(*args, **options))

    async def close(self, *, timeout: float | None = None) -> None:
        """Say goodbye; a server that does not answer in ``timeout`` seconds is left without."""
        try:
            await super().close(timeout=PARTING_SECONDS if timeout is None else timeout)
        except TimeoutError:
            self.terminate()

    async def _bounded(self, answer: Coroutine[Any, Any, T]) -> T:
        try:
            return await answer
        except TimeoutError:
            self.terminate()
            self.found_silent()
            raise
        except asyncio.CancelledError:
            await self._until_cancelled()
            raise

    async def _until_cancelled(self) -> None:
        """Wait until the server has ended the cancelled statement, or do without the connection.

        The question is put after the cancellation was answered.
        """
        try:
            await super().fetchrow(";", timeout=PARTING_SECONDS)
        except asyncpg.PostgresError:
            # An answer, too: the transaction waits for its rollback.
            return
        except (OSError, asyncpg.InterfaceError, asyncio.CancelledError):
            self.terminate()


def connection_class(found_silent: Callable[[], None]) -> type[BoundedConnection]:
    """The class of connections that call ``found_silent`` where one does not answer in time."""
    return type("Watched", (BoundedConnection,), {"found_silent": staticmethod(found_silent)})
