"""Files of captions, converted one after the other: reading a large one takes a quarter second.

Each user has a share, so that nobody keeps the process busy with files for everybody else.
"""

import asyncio
import time
from collections.abc import Callable
from math import ceil
from typing import Final

from shared.captions.cues import RefusedCaptions, webvtt
from shared.captions.files import read_captions
from shared.errors import Detail, InvalidInput, TooManyRequests
from shared.token_bucket import MICROS, Bucket, LocalBuckets

FILES: Final = 40
"""Files that a user may send at any time; one more every two seconds."""
_BUCKET: Final = Bucket(2 * MICROS, FILES)


class TooManyFiles(TooManyRequests):
    """The caller has sent too many files of captions."""

    code = "too_many_files"


class Conversions:
    """Converts in this process. ``clock`` is a steady clock in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._buckets = LocalBuckets(clock)
        self._turn = asyncio.Semaphore(1)

    async def webvtt(self, user_id: str, text: str) -> bytes:
        """The file as it is stored. Raises TooManyFiles, InvalidInput."""
        decision = self._buckets.take_all({user_id.encode(): _BUCKET})
        if not decision.allowed:
            wait = ceil(decision.retry_after / MICROS)
            raise TooManyFiles("These are many files at once. Wait a little.", retry_after=wait)
        async with self._turn:
            return await asyncio.to_thread(_converted, text)


def _converted(text: str) -> bytes:
    try:
        return webvtt(read_captions(text.encode("utf-8", "surrogatepass")))
    except RefusedCaptions as refused:
        raise InvalidInput(str(refused), [Detail("text", str(refused))]) from None
