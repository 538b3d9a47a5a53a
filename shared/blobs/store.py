"""The port of object storage. ``s3.py`` implements it; tests may use one in memory."""

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from shared.errors import NotFound, TooLarge, Unavailable


class BlobNotFound(NotFound):
    """No object has this key."""

    code = "blob_not_found"


class BlobTooLarge(TooLarge):
    """A stream exceeds its size limit. Nothing was stored."""

    code = "blob_too_large"


class BlobStoreUnavailable(Unavailable):
    """The storage does not answer, or refuses the request. Nothing was acknowledged."""

    code = "storage_unavailable"


class BlobInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An object's metadata. ``size`` in bytes; ``etag`` without quotes."""

    key: str
    size: int
    etag: str
    modified_at: datetime
    content_type: str | None = None
    cache_control: str | None = None


class Stored(msgspec.Struct, frozen=True):
    """The result of a streamed put: bytes stored, and the object's etag."""

    size: int
    etag: str


class Piece(msgspec.Struct, frozen=True):
    """A whole object of ``size`` bytes that becomes part of a larger one."""

    key: str
    size: int


class BlobStore(Protocol):
    """One bucket. Every method raises BlobStoreUnavailable if the storage does not answer."""

    async def ensure_bucket(self) -> None:
        """Create the bucket unless it exists."""
        ...

    async def ping(self) -> None:
        """Return if the bucket answers: a readiness check."""
        ...

    async def put(
        self, key: str, data: bytes, content_type: str, cache_control: str | None = None
    ) -> str:
        """Store a small object and return its etag."""
        ...

    async def put_stream(
        self,
        key: str,
        chunks: AsyncIterable[bytes],
        content_type: str,
        *,
        cache_control: str | None = None,
        max_bytes: int | None = None,
    ) -> Stored:
        """Store a stream of any size in bounded memory, all or nothing.

        If ``chunks`` raises, or yields more than ``max_bytes`` (BlobTooLarge), neither an object
        nor parts remain.
        """
        ...

    def open(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from ``start`` (included) to ``end`` (excluded). Raises BlobNotFound."""
        ...

    async def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """Like ``open``, as one value. For small objects and ranges."""
        ...

    async def head(self, key: str) -> BlobInfo:
        """An object's metadata. Raises BlobNotFound."""
        ...

    async def exists(self, key: str) -> bool:
        """Whether an object has this key."""
        ...

    async def delete(self, key: str) -> None:
        """Delete the object; does nothing if it does not exist."""
        ...

    async def delete_prefix(self, prefix: str) -> int:
        """Delete every object whose key starts with ``prefix`` (not empty); return their number."""
        ...

    def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[BlobInfo]:
        """Every object whose key starts with ``prefix`` and sorts after ``after``, in key order."""
        ...

    async def copy(self, source: str, target: str) -> None:
        """Copy within the bucket, inside the storage. Raises BlobNotFound."""
        ...

    async def join(
        self,
        key: str,
        pieces: Sequence[Piece],
        content_type: str,
        cache_control: str | None = None,
    ) -> str:
        """Store the concatenation of objects, all or nothing; return its etag.

        Large objects are copied inside the storage; only small ones are downloaded. Raises
        BlobNotFound if a piece is missing.
        """
        ...

    async def drop_unfinished(self, prefix: str) -> int:
        """Abort the unfinished multipart uploads under ``prefix``; return their number."""
        ...

    async def presign_get(self, key: str, seconds: int) -> str:
        """A URL that answers a GET of the object for ``seconds``, without a login."""
        ...
