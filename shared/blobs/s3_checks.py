"""Compares answers of S3 with what was asked, and asks again where an answer is wrong.

One answer may be wrong while the object is not: an error of a proxy, a body that ends early, a 404
from a node that is behind. Each request is therefore repeated a few times before its caller hears
of a failure. Lengths are known from the request and from Content-Range. The contents are compared
where S3 states a checksum of the whole object: the etag of an object that was put in one piece.
"""

import asyncio
import hashlib
import random
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from shared.blobs.s3_wire import StorageSilent, our_errors
from shared.blobs.store import BlobNotFound, BlobStoreUnavailable

# Seconds before each further try, halved or doubled at random.
_PAUSES: Final = (0.1, 0.2, 0.4, 0.8, 1.6)
# No try begins later than this after the first one, so that a storage that is silent, whose
# requests take long to fail, is given up within half a minute.
_TRY_SECONDS: Final = 8.0
# A connection to the storage that is slower than this, in bytes a second, counts as silent.
_SLOWEST: Final = 512 * 1024
T = TypeVar("T")

_MD5: Final = re.compile("[0-9a-f]{32}")
_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
# Larger blocks are hashed in a thread.
_THREAD_BYTES: Final = 1 << 20


class WrongAnswer(BlobStoreUnavailable):
    """An answer contradicts its request, itself or the object's checksum."""

    code = "storage_wrong_answer"


class Pauses:
    """The pauses between the tries of one request. ``used_up``: no further try may begin."""

    def __init__(self) -> None:
        self._until = time.monotonic() + _TRY_SECONDS
        self._left = list(_PAUSES)

    @property
    def used_up(self) -> bool:
        return not self._left or time.monotonic() > self._until

    async def next(self) -> None:
        """Wait before the next try."""
        await asyncio.sleep(self._left.pop(0) * random.uniform(0.5, 2))  # noqa: S311


async def ask(
    key: str,
    request: Callable[[], Awaitable[T]],
    *,
    is_missing: Callable[[], Awaitable[bool]] | None = None,
) -> T:
    """The answer of the first try that succeeds.

    A 404 is believed only where ``is_missing`` confirms it by another request; without it a 404
    contradicts the request. Raises BlobNotFound, BlobStoreUnavailable.
    """
    pauses = Pauses()
    while True:
        try:
            with our_errors(key):
                return await request()
        except BlobNotFound as error:
            if is_missing is not None and await is_missing():
                raise
            if pauses.used_up:
                raise WrongAnswer("The storage denies an object that it lists.") from error
        except BlobStoreUnavailable as error:
            if pauses.used_up or isinstance(error, StorageSilent):
                raise
        await pauses.next()


@asynccontextmanager
async def sending(client: Any, size: int) -> AsyncGenerator[None]:
    """Limits the time of a request with a body of ``size`` bytes. Raises StorageSilent.

    The library's limit on reading begins only when the body has been sent.
    """
    config = client.meta.config
    seconds = config.connect_timeout + config.read_timeout + size / _SLOWEST
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise StorageSilent("The storage does not take what it is sent.") from error


def checksum_of(answer: Any) -> str | None:
    """The MD5 of the object, in hex, that an answer states; None where it states none.

    The etag is the MD5 of an object that was put in one piece, unless S3 encrypts it with a key of
    its own management.
    """
    if "SSEKMSKeyId" in answer or "SSECustomerAlgorithm" in answer:
        return None
    etag = str(answer.get("ETag", "")).strip('"')
    return etag if _MD5.fullmatch(etag) else None


async def md5_of(data: bytes) -> str:
    """The MD5 of ``data``, in hex."""
    if len(data) < _THREAD_BYTES:
        return _md5(data)
    return await asyncio.to_thread(_md5, data)


def check_stored(answer: Any, md5: str) -> None:
    """Raises WrongAnswer where S3 stored other bytes than those with this checksum."""
    stored = checksum_of(answer)
    if stored is not None and stored != md5:
        raise WrongAnswer("The storage stored other bytes than it was sent.")


def check_range(answer: Any, start: int, end: int | None) -> tuple[int, int]:
    """The number of bytes that the body must have, and the size of the object.

    Raises WrongAnswer where the answer is of another range than ``start`` to ``end``, or states a
    length that is not the range's.
    """
    found = _RANGE.fullmatch(answer.get("ContentRange") or "")
    if found is None:
        raise WrongAnswer("The storage does not say which bytes it sends.")
    first, last, size = (int(number) for number in found.groups())
    stop = size if end is None else min(end, size)
    if (first, last + 1) != (start, stop) or answer["ContentLength"] != stop - start:
        raise WrongAnswer("The storage sends other bytes than it was asked for.")
    return stop - start, size


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
