"""Reads an object in as many requests as it takes to get every byte that was asked for.

A body that ends early is continued by a request for the rest, of the same version of the object.
"""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

from botocore.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
    ClientError,
)

from shared.blobs.s3_checks import Pauses, WrongAnswer, ask, check_range, checksum_of
from shared.blobs.s3_wire import StorageSilent, code_of, etag_of, our_errors
from shared.blobs.store import BlobStoreUnavailable

_CHUNK: Final = 256 * 1024


class WrongContents(WrongAnswer):
    """The bytes of a whole object do not have its checksum."""


class ObjectReader:
    """Reads the bytes from ``start`` to ``end`` of one object, once.

    ``is_missing`` confirms a 404 by another request.
    """

    def __init__(
        self,
        client: Any,
        bucket: str,
        key: str,
        *,
        start: int,
        end: int | None,
        is_missing: Callable[[], Awaitable[bool]],
    ) -> None:
        self._client = client
        self._at = {"Bucket": bucket, "Key": key}
        self._key = key
        self._next = start
        self._end = end
        self._is_missing = is_missing
        self._same: dict[str, str] = {}
        self._md5 = hashlib.md5(usedforsecurity=False) if start == 0 else None
        self._checksum: str | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes. Raises BlobNotFound, BlobStoreUnavailable; WrongContents after the last."""
        pauses = Pauses()
        while True:
            before = self._next
            try:
                async for chunk in self._rest():
                    yield chunk
                break
            except BlobStoreUnavailable as error:
                if self._next > before:
                    pauses = Pauses()
                elif pauses.used_up or isinstance(error, StorageSilent):
                    raise
            await pauses.next()
        if self._md5 and self._checksum and self._md5.hexdigest() != self._checksum:
            raise WrongContents("The storage sent other bytes than were stored.")

    async def _rest(self) -> AsyncIterator[bytes]:
        answer = await ask(self._key, self._begin, is_missing=self._is_missing)
        if answer is None:
            return
        async with answer["Body"] as body:
            expected, size = check_range(answer, self._next, self._end)
            if self._next == 0:
                self._checksum = checksum_of(answer) if expected == size else None
            self._same = {"IfMatch": f'"{etag_of(answer)}"'}
            stop = self._next + expected
            with our_errors(self._key):
                async for chunk in body.content.iter_chunked(_CHUNK):
                    self._next += len(chunk)
                    if self._md5 is not None:
                        self._md5.update(chunk)
                    yield chunk
        if self._next != stop:
            raise WrongAnswer("The storage sent fewer bytes than it announced.")

    async def _begin(self) -> Any | None:
        """The answer to a request for the rest; None where the object has none."""
        stop = "" if self._end is None else str(self._end - 1)
        try:
            answer = await self._client.get_object(
                **self._at, **self._same, Range=f"bytes={self._next}-{stop}"
            )
        except ClientError as error:
            if code_of(error) not in {"InvalidRange", "416"}:
                raise
            await self._check_end()
            return None
        if "ContentRange" not in answer and answer["ContentLength"] == 0:
            answer["Body"].close()
            await self._check_end()
            return None
        return answer

    async def _check_end(self) -> None:
        """Raise WrongAnswer unless the object ends here."""
        if (await self._client.head_object(**self._at))["ContentLength"] > self._next:
            raise WrongAnswer("The storage denies bytes that the object has.")
