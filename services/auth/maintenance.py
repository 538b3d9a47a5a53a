"""What auth does without being asked: finish interrupted appends, forget what is over."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final

from services.auth.event_outbox import Ledger
from services.auth.jwks import REVOKED_FOR
from services.auth.session_repository import SessionStorage
from shared.telemetry import get_logger

RECONCILE_SECONDS: Final = 5.0
_PURGE_EVERY: Final = 120
IDEMPOTENCY_LIFETIME: Final = timedelta(days=7)


class Upkeep:
    """Runs in every replica: each step is harmless when done twice."""

    def __init__(
        self, ledger: Ledger, storage: SessionStorage, clock: Callable[[], datetime]
    ) -> None:
        self._ledger = ledger
        self._storage = storage
        self._clock = clock
        self._log = get_logger(__name__)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Keeps at it for as long as it is entered."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def purge(self) -> None:
        """Delete expired sessions and tokens, old revocations and idempotency keys."""
        now = self._clock()
        await self._storage.purge(now, now - REVOKED_FOR, now - IDEMPOTENCY_LIFETIME)

    async def _run(self) -> None:
        rounds = 0
        while True:
            try:
                finished = await self._ledger.reconcile()
                if finished:
                    self._log.info("finished interrupted commands", count=finished)
                if rounds % _PURGE_EVERY == 0:
                    await self.purge()
            except Exception as error:
                self._log.warning("upkeep will try again", reason=repr(error))
            rounds += 1
            await asyncio.sleep(RECONCILE_SECONDS)
