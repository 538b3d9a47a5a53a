"""Slots for what a process can do at once, given to callers in turn.

Each caller has a queue of its own, and the queues take turns: who sends much waits for itself.
"""

import asyncio
from collections import deque
from contextlib import suppress

_Turn = asyncio.Future[None]


class Turns:
    """``places`` slots, of which a caller may have ``per_caller``, and the queue for them."""

    def __init__(self, places: int, per_caller: int) -> None:
        self._places = places
        self._per_caller = per_caller
        self._taken: dict[str, int] = {}
        # The order of the callers is that of their turns.
        self._queues: dict[str, deque[_Turn]] = {}
        self.used = 0

    @property
    def left(self) -> bool:
        """Whether there is a free slot."""
        return self.used < self._places

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(map(len, self._queues.values()))

    def waiting_of(self, caller: str) -> int:
        """How many of a caller wait."""
        return len(self._queues.get(caller, ()))

    def left_for(self, caller: str) -> bool:
        """Whether a caller may have one slot more."""
        return self._taken.get(caller, 0) < self._per_caller

    def take(self, caller: str) -> None:
        """Occupy a slot."""
        self._taken[caller] = self._taken.get(caller, 0) + 1
        self.used += 1

    def leave(self, caller: str) -> None:
        """Free a slot, for the next whose turn it is."""
        self.used -= 1
        self._taken[caller] -= 1
        if not self._taken[caller]:
            del self._taken[caller]
        while self.left and self._next():
            pass

    async def wait(self, caller: str, seconds: float) -> None:
        """Occupy a slot once there is one. Raises TimeoutError after ``seconds``."""
        if self.left and self.left_for(caller) and caller not in self._queues:
            self.take(caller)
            return
        turn: _Turn = asyncio.get_running_loop().create_future()
        self._queues.setdefault(caller, deque()).append(turn)
        try:
            async with asyncio.timeout(seconds):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.leave(caller)  # the slot came just too late
            else:
                self._forget(caller, turn)
            raise

    def _next(self) -> bool:
        """Give a free slot to the next caller who may have one; False where there is none."""
        caller = next(filter(self.left_for, self._queues), None)
        if caller is None:
            return False
        queue = self._queues.pop(caller)
        turn = queue.popleft()
        if queue:
            self._queues[caller] = queue  # behind all others
        if not turn.done():
            self.take(caller)
            turn.set_result(None)
        return True

    def _forget(self, caller: str, turn: _Turn) -> None:
        queue = self._queues.get(caller)
        if queue is None:
            return
        with suppress(ValueError):
            queue.remove(turn)
        if not queue:
            del self._queues[caller]
