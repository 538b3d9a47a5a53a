"""A bucket in memory with a clock of its own, for tests of what is deleted and what is kept."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta

from shared.blobs.store import BlobInfo, BlobNotFound, Piece, Stored


class MemoryBlobs:
    """Objects in a dictionary. ``before_write`` is called before anything is changed."""

    def __init__(self, before_write: Callable[[], None] = lambda: None) -> None:
        self._objects: dict[str, tuple[bytes, timedelta]] = {}
        self._passed = timedelta()
        self._before_write = before_write

    def advance(self, seconds: float) -> None:
        """Let all objects be older by so much."""
        self._passed += timedelta(seconds=seconds)

    def size(self, key: str) -> int | None:
        """None where there is no such object."""
        held = self._objects.get(key)
        return None if held is None else len(held[0])

    def keys(self, prefix: str = "") -> list[str]:
        return sorted(key for key in self._objects if key.startswith(prefix))

    def damage(self, key: str, data: bytes | None) -> None:
        """Replace what an object holds, or lose it, as no caller of the store can."""
        if data is None:
            del self._objects[key]
        else:
            self._objects[key] = (data, self._objects[key][1])

    async def ensure_bucket(self) -> None:
        return

    async def ping(self) -> None:
        return

    async def put(
        self, key: str, data: bytes, content_type: str, cache_control: str | None = None
    ) -> str:
        self._before_write()
        self._objects[key] = (data, self._passed)
        return "etag"

    async def put_stream(
        self,
        key: str,
        chunks: AsyncIterable[bytes],
        content_type: str,
        *,
        cache_control: str | None = None,
        max_bytes: int | None = None,
    ) -> Stored:
        data = b"".join([chunk async for chunk in chunks])
        return Stored(len(data), await self.put(key, data, content_type))

    async def open(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        yield await self.read(key, start, end)

    async def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        return self._held(key)[0][start:end]

    async def head(self, key: str) -> BlobInfo:
        data, stored = self._held(key)
        modified = datetime.now(UTC) - (self._passed - stored)
        return BlobInfo(key=key, size=len(data), etag="etag", modified_at=modified)

    async def exists(self, key: str) -> bool:
        return key in self._objects

    async def delete(self, key: str) -> None:
        self._before_write()
        self._objects.pop(key, None)

    async def delete_prefix(self, prefix: str) -> int:
        found = self.keys(prefix)
        for key in found:
            await self.delete(key)
        return len(found)

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[BlobInfo]:
        for key in [key for key in self.keys(prefix) if key > after]:
            yield await self.head(key)

    async def copy(self, source: str, target: str) -> None:
        await self.put(target, self._held(source)[0], "")

    async def join(
        self,
        key: str,
        pieces: Sequence[Piece],
        content_type: str,
        cache_control: str | None = None,
    ) -> str:
        return await self.put(key, b"".join(self._held(p.key)[0] for p in pieces), content_type)

    async def drop_unfinished(self, prefix: str) -> int:
        return 0

    async def presign_get(self, key: str, seconds: int) -> str:
        raise NotImplementedError

    def _held(self, key: str) -> tuple[bytes, timedelta]:
        try:
            return self._objects[key]
        except KeyError:
            raise BlobNotFound(f"{key} does not exist") from None
