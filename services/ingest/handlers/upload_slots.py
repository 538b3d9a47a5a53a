"""Which uploads this process receives at once, and in whose turn.

An upload takes some 20 MB of memory, so there are slots for a number of them: so many for one user
at most, and three quarters of them for one address, which may have many accounts. A small upload
takes little memory and is whole within moments: it has slots of its own and waits for one, users
taking turns, so that no amount of slow large uploads refuses it.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from services.ingest.handlers.limits import Limits
from services.ingest.ports import Metrics
from shared.errors import TooManyRequests, Unavailable

SMALL: Final = 64 * 1024
"""Bytes up to which a body is small. The gateway reads such a body whole before it sends it on."""
SMALL_AT_ONCE: Final = 16
WAITING: Final = 1000
WAITING_PER_USER: Final = 250
WAIT_SECONDS: Final = 90.0

Turn = asyncio.Future[None]


class TooManyUploads(Unavailable):
    """This process receives as many uploads as its memory allows."""

    code = "too_many_uploads"


class TooManyOfYourUploads(TooManyRequests):
    """This process receives as many uploads of this user as it may have."""

    code = "too_many_uploads"


class UploadSlots:
    """The slots of this process."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._large = _Slots(limits.at_once, limits.per_user)
        self._small = _Slots(SMALL_AT_ONCE, limits.per_user)
        self._per_address = max(1, limits.at_once * 3 // 4)
        self._addresses: Counter[str] = Counter()
        self._metrics = metrics

    @property
    def receiving(self) -> int:
        """How many uploads this process receives now."""
        return self._large.used + self._small.used

    @property
    def waiting(self) -> int:
        """How many small uploads wait for their turn."""
        return self._small.waiting

    @asynccontextmanager
    async def hold(
        self, user_id: str, size: int | None, address: str | None = None
    ) -> AsyncIterator[None]:
        """Occupy a slot for a body of ``size`` bytes; None where that is not known.

        ``address``: where it comes from; None where nobody sends it. Raises TooManyUploads,
        TooManyOfYourUploads.
        """
        if size is not None and size <= SMALL:
            await self._wait(user_id)
            try:
                yield
            finally:
                self._small.leave(user_id)
            return
        self._take(user_id, address)
        try:
            yield
        finally:
            self._large.leave(user_id)
            if address is not None:
                self._addresses[address] -= 1
                self._addresses += Counter()  # forgets those at zero

    def _take(self, user_id: str, address: str | None) -> None:
        if not self._large.left_for(user_id):
            self._metrics.refused("user")
            raise TooManyOfYourUploads(
                "You are sending too many videos at once. Try again soon.", retry_after=5
            )
        if not self._large.left:
            self._metrics.refused("process")
            raise TooManyUploads("Too many uploads at once. Try again soon.", retry_after=5)
        if address is not None and self._addresses[address] >= self._per_address:
            self._metrics.refused("address")
            raise TooManyOfYourUploads(
                "Too many videos are sent at once from where you are. Try again soon.",
                retry_after=5,
            )
        self._large.take(user_id)
        if address is not None:
            self._addresses[address] += 1

    async def _wait(self, user_id: str) -> None:
        if self._small.waiting_of(user_id) >= WAITING_PER_USER:
            self._metrics.refused("user")
            raise TooManyOfYourUploads(
                "You are sending too many videos at once. Try again soon.", retry_after=5
            )
        try:
            if self._small.waiting >= WAITING:
                raise TimeoutError
            await self._small.wait(user_id, WAIT_SECONDS)
        except TimeoutError:
            self._metrics.refused("process")
            raise TooManyUploads(
                "Too many uploads at once. Try again soon.", retry_after=5
            ) from None


class _Slots:
    """``places`` slots, of which a user may have ``per_user``, and the queue for them."""

    def __init__(self, places: int, per_user: int) -> None:
        self._places = places
        self._per_user = per_user
        self._taken: dict[str, int] = {}
        # The order of the users is that of their turns.
        self._queues: dict[str, deque[Turn]] = {}
        self.used = 0

    @property
    def left(self) -> bool:
        """Whether there is a free slot."""
        return self.used < self._places

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(map(len, self._queues.values()))

    def waiting_of(self, user_id: str) -> int:
        """How many of a user wait."""
        return len(self._queues.get(user_id, ()))

    def left_for(self, user_id: str) -> bool:
        """Whether a user may have one slot more."""
        return self._taken.get(user_id, 0) < self._per_user

    def take(self, user_id: str) -> None:
        """Occupy a slot."""
        self._taken[user_id] = self._taken.get(user_id, 0) + 1
        self.used += 1

    def leave(self, user_id: str) -> None:
        """Free a slot, for the next whose turn it is."""
        self.used -= 1
        self._taken[user_id] -= 1
        if not self._taken[user_id]:
            del self._taken[user_id]
        while self.left and self._next():
            pass

    async def wait(self, user_id: str, seconds: float) -> None:
        """Occupy a slot once there is one. Raises TimeoutError after ``seconds``."""
        if self.left and self.left_for(user_id) and user_id not in self._queues:
            self.take(user_id)
            return
        turn: Turn = asyncio.get_running_loop().create_future()
        self._queues.setdefault(user_id, deque()).append(turn)
        try:
            async with asyncio.timeout(seconds):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.leave(user_id)  # the slot came just too late
            else:
                self._forget(user_id, turn)
            raise

    def _next(self) -> bool:
        """Give a free slot to the next user who may have one; False where there is none."""
        user_id = next(filter(self.left_for, self._queues), None)
        if user_id is None:
            return False
        queue = self._queues.pop(user_id)
        turn = queue.popleft()
        if queue:
            self._queues[user_id] = queue  # behind all others
        if not turn.done():
            self.take(user_id)
            turn.set_result(None)
        return True

    def _forget(self, user_id: str, turn: Turn) -> None:
        queue = self._queues.get(user_id)
        if queue is None:
            return
        with suppress(ValueError):
            queue.remove(turn)
        if not queue:
            del self._queues[user_id]
