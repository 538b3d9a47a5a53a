"""Stands before admission: an address that guesses stream keys is not asked about for a while.

All protocols share it, so that nobody has more guesses by changing between them.
"""

import time
from collections.abc import Callable
from typing import Final

from services.live.flv.sink import Admission, Sink
from services.live.ports import Credential, Publisher, Refused
from shared.token_bucket import MICROS, Bucket, LocalBuckets

# Addresses that are remembered.
_MAX_ADDRESSES: Final = 10_000


class Doorkeeper:
    """An ``Admission``. ``wrong_keys``: of one address in a minute. ``clock``: steady, seconds."""

    def __init__(
        self,
        admission: Admission,
        wrong_keys: int = 10,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._admission = admission
        self._buckets = LocalBuckets(clock, _MAX_ADDRESSES)
        self._wrong_keys = Bucket(60 * MICROS // wrong_keys, wrong_keys)

    async def admit(self, credential: Credential, publisher: Publisher) -> Sink:
        """Raises Refused."""
        name = publisher.address.encode()
        if self._buckets.take_all({name: self._wrong_keys}, 0).remaining == 0:
            raise Refused("too_many", "too many wrong stream keys; wait a minute")
        try:
            return await self._admission.admit(credential, publisher)
        except Refused as refused:
            if refused.code == "unknown_key":
                self._buckets.take(name, self._wrong_keys)
            raise
