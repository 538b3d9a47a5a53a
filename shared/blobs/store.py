"""What this system asks of object storage. ``s3.py`` answers it; tests may answer it in memory."""

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from shared.errors import NotFound, TooLarge, Unavailable


class BlobNotFound(NotFound):
    """No object has this key."""

    code = "blob_not_found"


class BlobTooLarge(TooLarge):
    """A stream went over the limit it was given. Nothing was stored."""

    code = "blob_too_large"


class BlobStoreUnavailable(Unavailable):
    """The storage does not answer, or refuses us. Nothing was acknowledged."""

    code = "storage_unavailable"


class BlobInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an object. ``size`` in bytes; ``etag`` without quotes."""

    key: str
    size: int
    etag: str
    modified_at: datetime
    content_type: str | None = None
    cache_control: str | None = None


class Stored(msgspec.Struct, frozen=True):
    """The outcome of a streamed put: bytes stored, and the object's etag."""

    size: int
    etag: str


class Piece(msgspec.Struct, frozen=True):
    """An object that becomes part of a larger one; ``size`` in bytes, all of it."""

    key: str
    size: int


class BlobStore(Protocol):
    """One bucket. Every method raises BlobStoreUnavailable where the storage does not answer."""

    async def ensure_bucket(self) -> None:
        """Create the bucket if it is not there yet."""
        ...

    async def ping(self) -> None:
        """Return if the bucket answers (a readiness check)."""
        ...

    async def put(
        self, key: str, data: bytes, content_type: str, cache_control: str | None = None
    ) -> str:
        """Store a small object whole; returns its etag."""
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
        """Store what arrives, of any size, in bounded memory; all of it or nothing.

        Where ``chunks`` raises, or more than ``max_bytes`` arrive (BlobTooLarge), no object and
        no parts are left behind.
        """
        ...

    def open(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from ``start`` up to but without ``end``. Raises BlobNotFound."""
        ...

    async def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """Like ``open``, at once. For small objects and ranges."""
        ...

    async def head(self, key: str) -> BlobInfo:
        """Raises BlobNotFound."""
        ...

    async def exists(self, key: str) -> bool:
        """Whether the key has an object."""
        ...

    async def delete(self, key: str) -> None:
        """Delete the object; it is no error if there is none."""
        ...

    async def delete_prefix(self, prefix: str) -> int:
        """Delete every object whose key starts with ``prefix`` (not empty); returns how many."""
        ...

    def list(self, prefix: str = "") -> AsyncIterator[BlobInfo]:
        """Every object whose key starts with ``prefix``, in key order."""
        ...

    async def copy(self, source: str, target: str) -> None:
        """Copy within the bucket, without the bytes passing through us. Raises BlobNotFound."""
        ...

    async def join(
        self,
        key: str,
        pieces: Sequence[Piece],
        content_type: str,
        cache_control: str | None = None,
    ) -> str:
        """An object that holds others one after the other; returns its etag.

        Large ones are copied inside the storage; only small ones pass through us. All of it or
        nothing. Raises BlobNotFound where a piece is missing.
        """
        ...

    async def drop_unfinished(self, prefix: str) -> int:
        """Drop what was begun under ``prefix`` and never ended by a process that has died."""
        ...

    async def presign_get(self, key: str, seconds: int) -> str:
        """A URL that anybody can GET the object with, for ``seconds``."""
        ...
