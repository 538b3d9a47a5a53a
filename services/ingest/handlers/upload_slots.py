"""Which uploads this process receives at once, and in whose turn.

An upload takes some 20 MB of memory, so there are slots for a number of them: so many for one user
at most, and three quarters of them for one address, which may have many accounts. When all are
taken, a slow upload of an address that has more of them is ended for one that has fewer, so that a
few addresses cannot keep all slots by sending little. A small upload
takes little memory and is whole within moments: it has slots of its own and waits for one, users
taking turns, so that no amount of slow large uploads refuses it.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from services.ingest.handlers.limits import Limits
from services.ingest.ports import Body, Metrics
from shared.errors import TooManyRequests, Unavailable
from shared.turns import Turns

LEAVING: Final = 8
"""Ended uploads whose slots are not free yet; so many more are received for a moment."""
SMALL: Final = 64 * 1024
"""Bytes up to which a body is small. The gateway reads such a body whole before it sends it on."""
SMALL_AT_ONCE: Final = 16
WAITING: Final = 1000
WAITING_PER_USER: Final = 250
WAIT_SECONDS: Final = 90.0


class TooManyUploads(Unavailable):
    """This process receives as many uploads as its memory allows."""

    code = "too_many_uploads"


class TooManyOfYourUploads(TooManyRequests):
    """This process receives as many uploads of this user as it may have."""

    code = "too_many_uploads"


class _Held:
    """A slot that is taken, by whose body from where."""

    def __init__(self, address: str, body: Body) -> None:
        self.address = address
        self.body = body
        self.ended = False


class UploadSlots:
    """The slots of this process."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._large = Turns(limits.at_once, limits.per_user)
        self._small = Turns(SMALL_AT_ONCE, limits.per_user)
        self._per_address = max(1, limits.at_once * 3 // 4)
        self._addresses: Counter[str] = Counter()
        self._held: set[_Held] = set()
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
        self,
        user_id: str,
        size: int | None,
        address: str | None = None,
        body: Body | None = None,
    ) -> AsyncIterator[None]:
        """Occupy a slot for a body of ``size`` bytes; None where that is not known.

        ``address``: where ``body`` comes from; None where nobody sends it. Raises TooManyUploads,
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
        held = _Held(address, body) if address is not None and body is not None else None
        if held is not None:
            self._held.add(held)
        try:
            yield
        finally:
            if held is not None:
                self._held.discard(held)
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
        of_address = 0 if address is None else self._addresses[address]
        if not self._large.left and not self._displace(of_address):
            self._metrics.refused("process")
            raise TooManyUploads("Too many uploads at once. Try again soon.", retry_after=5)
        if of_address >= self._per_address:
            self._metrics.refused("address")
            raise TooManyOfYourUploads(
                "Too many videos are sent at once from where you are. Try again soon.",
                retry_after=5,
            )
        self._large.take(user_id)
        if address is not None:
            self._addresses[address] += 1

    def _displace(self, of_address: int) -> bool:
        """Whether an upload is ended for one of an address that has ``of_address`` already."""
        if sum(held.ended for held in self._held) >= LEAVING:
            return False
        # Afterwards its address must not have fewer than the other.
        slow = [
            held
            for held in self._held
            if not held.ended and self._addresses[held.address] > of_address + 1 and held.body.slow
        ]
        if not slow:
            return False
        ended = max(slow, key=lambda held: self._addresses[held.address])
        ended.ended = True
        ended.body.displace()
        return True

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
