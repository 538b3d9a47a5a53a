"""When the loops of a process may rest: nothing has happened for a while.

What a loop looks for follows from something that was written, of which the process hears: by a
notification, a message, or because it wrote it itself. While all is quiet, loops look seldom; the
first thing that happens wakes all of them, and for a while they look as often as they do. A
notification that was lost costs the time between two looks of a loop that rests.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from shared.loops.waiting import wait_for_event

REST_SECONDS: Final = 10.0
"""Seconds between two looks of a loop that rests."""
AWAKE_SECONDS: Final = 30.0
"""Seconds without any event after which loops rest."""


class Rest:
    """Shared by the loops of a process, which begin awake. ``clock``: steady, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stirred_at = clock()
        self._resting: set[asyncio.Event] = set()

    @property
    def quiet(self) -> bool:
        """Whether nothing has happened for so long that loops rest."""
        return self._clock() - self._stirred_at >= AWAKE_SECONDS

    def stir(self) -> None:
        """Something has happened: wake the loops that rest, and keep all of them awake."""
        self._stirred_at = self._clock()
        for wake in self._resting:
            wake.set()

    async def pause(self, seconds: float, wake: asyncio.Event | None) -> None:
        """Wait ``seconds``, or until ``wake`` is set; longer while all is quiet."""
        if wake is None and not self.quiet:
            await asyncio.sleep(seconds)
            return
        wake = wake or asyncio.Event()
        if not self.quiet:
            await wait_for_event(wake, seconds)
            return
        self._resting.add(wake)
        try:
            await wait_for_event(wake, max(seconds, REST_SECONDS))
        finally:
            self._resting.discard(wake)
