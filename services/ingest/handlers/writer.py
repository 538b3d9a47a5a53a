"""From a stream of bytes to durable parts, in bounded memory.

One part is on its way while the next one fills: memory is two parts, whatever the size, and a slow
bucket slows the client down. Nothing counts before the bucket *and* the table have it.
"""

import asyncio
import contextlib
import hashlib
from typing import Any, Final

from services.ingest.containers import HEAD_BYTES, looks_like, recognise
from services.ingest.domain import NotAVideo, readable_size
from services.ingest.ports import Observer, Part, Progress, SourceStore, Upload, UploadRecords
from shared.errors import TooLarge

FIRST_PART: Final = 5 * 1024 * 1024
"""The smallest part that S3 takes, other than the last one."""
# Fewer rows and requests than one would write per chunk, still well inside a lifetime.
_TOUCH_SECONDS: Final = 10.0


class UploadTooLarge(TooLarge):
    """More bytes than announced, or than are accepted."""

    code = "too_large"


TAILS: Final = "tails/"
"""Where the bytes are kept that do not fill a part yet."""


def part_size(number: int) -> int:
    """The size of part ``number``: 5 MiB, doubling every 2,000 parts.

    S3 takes 10,000 parts: 2,000 · 5 · (1 + 2 + 4 + 8 + 16) MiB are 302 GiB.
    """
    return FIRST_PART << ((number - 1) // 2000)


class Writer:
    """Appends to one upload, of which it must be the acquired writer.

    With ``hold_back`` nothing counts until ``flush`` or ``finish``: for bytes whose checksum is
    still to be compared.
    """

    def __init__(
        self,
        records: UploadRecords,
        sources: SourceStore,
        upload: Upload,
        *,
        max_bytes: int,
        lifetime: float,
        observer: Observer,
        hold_back: bool = False,
    ) -> None:
        self._records = records
        self._sources = sources
        self.upload = upload
        self._limit = max_bytes if upload.length is None else min(upload.length, max_bytes)
        self._lifetime = lifetime
        self._hold_back = hold_back
        self._observer = observer
        self._buffer = bytearray()
        self._multipart_id = upload.multipart_id
        self._content_type = upload.content_type
        self._counted = upload.received - upload.tail_size
        self._next_part = upload.next_part
        self._tail_key = upload.tail_key
        self._uncounted: list[Part] = []
        self._sending: asyncio.Task[None] | None = None
        self._touched = asyncio.get_running_loop().time()
        self._hash = hashlib.sha256() if upload.received == 0 else None
        self.offset = upload.received
        self.clean = True
        """False where a part that was given up may still reach the bucket."""

    @property
    def sha256(self) -> str | None:
        """In hex; None where an earlier writer saw the first bytes."""
        return None if self._hash is None else self._hash.hexdigest()

    @property
    def content_type(self) -> str | None:
        """What the content was recognised as, once enough of it is here."""
        return self._content_type

    async def open(self) -> None:
        """Take the tail that an earlier writer left into memory."""
        if self._tail_key is not None:
            self._buffer += await self._sources.read(self._tail_key)

    async def write(self, data: bytes) -> None:
        """Append. Raises UploadTooLarge, NotAVideo, UploadLost and what the storage raises."""
        if self.offset + len(data) > self._limit:
            raise UploadTooLarge(f"The upload is larger than {readable_size(self._limit)}.")
        self.offset += len(data)
        if self._hash is not None:
            self._hash.update(data)
        self._buffer += data
        if len(self._buffer) >= HEAD_BYTES:
            self._recognise()
        while len(self._buffer) >= (size := part_size(self._next_part)):
            await self._send(size)
        await self._touch()

    async def flush(self) -> None:
        """Make all that was written durable; what does not fill a part goes to a tail object."""
        await self._settle()
        old_tail = self._tail_key
        tail_key = None
        if self._buffer:
            tail_key = f"{TAILS}{self.upload.id}/{self.upload.epoch}-{self.offset}"
            await self._sources.put(tail_key, bytes(self._buffer), "application/octet-stream")
        await self._count(tail_key, len(self._buffer))
        if old_tail is not None and old_tail != tail_key:
            await self._forget(old_tail)

    async def finish(self) -> None:
        """Store the last part: afterwards all bytes are parts of the multipart upload."""
        self._recognise()
        old_tail = self._tail_key
        if self._buffer or self._counted == 0:
            await self._send(len(self._buffer))
        await self._settle()
        await self._count(None, 0)
        if old_tail is not None:
            await self._forget(old_tail)

    async def discard(self) -> None:
        """Stop what is on its way; what was counted stays."""
        if self._sending is not None:
            self.clean = False
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
            self._sending = None
        self._buffer.clear()

    def _recognise(self) -> None:
        if self._content_type is not None or self.upload.partial or self._counted:
            return
        head = bytes(self._buffer[:HEAD_BYTES])
        container = recognise(head)
        if container is None:
            raise NotAVideo(f"This is not a video that we know; it looks like {looks_like(head)}.")
        self._content_type = container.content_type

    async def _send(self, size: int) -> None:
        await self._settle()
        if self._multipart_id is None:
            content_type = self._content_type or "application/octet-stream"
            self._multipart_id = await self._sources.start_multipart(self.upload.key, content_type)
            await self._records.set_multipart(self.upload.id, self.upload.epoch, self._multipart_id)
        data = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        number, self._next_part = self._next_part, self._next_part + 1
        self._sending = asyncio.create_task(self._store(self._multipart_id, number, data))

    async def _store(self, multipart_id: str, number: int, data: bytes) -> None:
        """Store a part and count it at once: the client may have nothing more to send for now."""
        stored: Any = await self._sources.put_part(self.upload.key, multipart_id, number, data)
        self._uncounted.append(Part(stored.number, stored.etag, stored.size))
        if not self._hold_back:
            old_tail = self._tail_key
            await self._count(None, 0)
            if old_tail is not None:
                await self._forget(old_tail)

    async def _settle(self) -> None:
        """Wait for the part on its way."""
        if self._sending is None:
            return
        sending, self._sending = self._sending, None
        try:
            await sending
        except BaseException:
            self.clean = False
            sending.cancel()
            raise

    async def _count(self, tail_key: str | None, tail_size: int) -> None:
        counted = self._counted + sum(part.size for part in self._uncounted)
        await self._records.advance(
            self.upload.id,
            self.upload.epoch,
            Progress(
                received=counted + tail_size,
                next_part=self._next_part,
                parts=tuple(self._uncounted),
                tail_key=tail_key,
                tail_size=tail_size,
                content_type=self._content_type,
            ),
            self._lifetime,
        )
        self._observer.stored(sum(part.size for part in self._uncounted))
        self._counted = counted
        self._uncounted.clear()
        self._tail_key = tail_key
        self._touched = asyncio.get_running_loop().time()

    async def _touch(self) -> None:
        """A slow client's upload must not look abandoned while its bytes still come."""
        now = asyncio.get_running_loop().time()
        if now - self._touched > _TOUCH_SECONDS:
            self._touched = now
            await self._records.touch(self.upload.id, self.upload.epoch, self._lifetime)

    async def _forget(self, tail_key: str) -> None:
        # What stays behind is found by the sweep.
        with contextlib.suppress(Exception):
            await self._sources.delete(tail_key)
