"""Whose search is next: searches are the costliest reads, and callers take turns at them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from shared.errors import TooManyRequests, Unavailable
from shared.turns import Turns

AT_ONCE: Final = 4
"""Searches under way in this process; each has a connection to the database."""
PER_CALLER: Final = 2
WAITING: Final = 200
WAITING_PER_CALLER: Final = 20
WAIT_SECONDS: Final = 10.0


class SearchTurns:
    """The slots of this process."""

    def __init__(self) -> None:
        self._turns = Turns(AT_ONCE, PER_CALLER)

    @asynccontextmanager
    async def turn(self, caller: str) -> AsyncGenerator[None]:
        """Enter this around a search of ``caller``, a user or an address.

        Raises TooManyRequests where this caller has too many waiting, Unavailable where all have,
        or where it lasts too long until the turn comes.
        """
        if self._turns.waiting_of(caller) >= WAITING_PER_CALLER:
            raise TooManyRequests("Too many searches at once. Try again soon.", retry_after=2)
        try:
            if self._turns.waiting >= WAITING:
                raise TimeoutError
            await self._turns.wait(caller, WAIT_SECONDS)
        except TimeoutError:
            words = "Very many are searching now. Try again in a moment."
            raise Unavailable(words, retry_after=2) from None
        try:
            yield
        finally:
            self._turns.leave(caller)
