"""From a stream of bytes to durable parts, in bounded memory.

One part is sent while the next one fills: an upload of any size takes the memory of two parts, and
a slow bucket slows its client down. Bytes count only when bucket and table have them. Those that do
not fill a part are kept in pieces (``services.ingest.tail``), which are read once they do.
"""

import asyncio
import contextlib
import hashlib
from typing import Any, Final

from services.ingest.containers import (
    HEAD_BYTES,
    MOST_BYTES,
    is_hopeless,
    looks_like,
    may_follow,
    recognise,
)
from services.ingest.domain import NotAVideo, readable_size
from services.ingest.ports import Metrics, Part, Progress, SourceStore, Upload, UploadProgress
from services.ingest.tail import Piece, named, piece_key, pieces_of, size_of, swallowed
from shared.errors import TooLarge

FIRST_PART: Final = 5 * 1024 * 1024
"""The smallest part that S3 accepts, but for the last one."""
# Seconds between two writes of the expiry: few, and well within a lifetime.
_TOUCH_SECONDS: Final = 10.0


class UploadTooLarge(TooLarge):
    """More bytes than announced or accepted."""

    code = "too_large"


TAILS: Final = "tails/"
"""Prefix of the pieces."""


def part_size(number: int) -> int:
    """The size of part ``number``: 5 MiB, doubling every 2,000 parts.

    S3 accepts 10,000 parts: 2,000 · 5 · (1 + 2 + 4 + 8 + 16) MiB are 302 GiB.
    """
    return FIRST_PART << ((number - 1) // 2000)


class Writer:
    """Appends to one upload, of which it must be the acquired writer.

    With ``hold_back`` bytes count only after ``flush`` or ``finish``: their checksum is compared
    first.
    """

    def __init__(
        self,
        uploads: UploadProgress,
        sources: SourceStore,
        upload: Upload,
        *,
        max_bytes: int,
        lifetime: float,
        metrics: Metrics,
        hold_back: bool = False,
    ) -> None:
        self._uploads = uploads
        self._sources = sources
        self.upload = upload
        self._limit = max_bytes if upload.length is None else min(upload.length, max_bytes)
        self._lifetime = lifetime
        self._hold_back = hold_back
        self._metrics = metrics
        self._buffer = bytearray()
        self._multipart_id = upload.multipart_id
        self._content_type = upload.content_type
        self._counted = upload.received - upload.tail_size
        self._next_part = upload.next_part
        # Those that the row names, and those of them that are not in the buffer.
        self._pieces = pieces_of(upload.tail_key, upload.received, upload.tail_size)
        self._unread = self._pieces
        self._uncounted: list[Part] = []
        self._sending: asyncio.Task[None] | None = None
        self._touched = asyncio.get_running_loop().time()
        self._hash = hashlib.sha256() if upload.received == 0 else None
        self.offset = upload.received
        self.clean = True
        """False where a cancelled part may still reach the bucket."""

    @property
    def sha256(self) -> str | None:
        """In hex; None where an earlier writer stored the first bytes."""
        return None if self._hash is None else self._hash.hexdigest()

    @property
    def content_type(self) -> str | None:
        """The recognised type of the content; None before enough of it has arrived."""
        return self._content_type

    async def write(self, data: bytes) -> None:
        """Append. Raises UploadTooLarge, NotAVideo, UploadLost, and what the storage raises."""
        if self.offset + len(data) > self._limit:
            raise UploadTooLarge(f"The upload is larger than {readable_size(self._limit)}.")
        before = self.offset
        self.offset += len(data)
        if self._hash is not None:
            self._hash.update(data)
        self._buffer += data
        if self._unrecognised and any(before < n <= self.offset for n in (HEAD_BYTES, MOST_BYTES)):
            await self._read(len(self._unread))
            await self._recognise_enough()
        elif not self._unread:
            self._recognise(whole=False)
        while self._pending >= (size := part_size(self._next_part)):
            await self._read(len(self._unread))
            await self._send(size)
        await self._touch()

    async def flush(self) -> None:
        """Make all written bytes durable; those that do not fill a part become a piece."""
        await self._settle()
        pieces = self._unread
        if self._buffer:
            await self._read(swallowed(pieces, len(self._buffer)))
            prefix = f"{TAILS}{self.upload.id}/"
            piece = Piece(piece_key(prefix, self.upload.epoch, self.offset), size=len(self._buffer))
            await self._sources.put(piece.key, bytes(self._buffer), "application/octet-stream")
            pieces = (*self._unread, piece)
        await self._count(pieces)
        self._unread = pieces
        self._buffer.clear()

    async def finish(self) -> None:
        """Store the last part: afterwards all bytes are parts of the multipart upload."""
        await self._read(len(self._unread))
        self._recognise(whole=True)
        if self._buffer or self._counted == 0:
            await self._send(len(self._buffer))
        await self._settle()
        await self._count(())

    async def discard(self) -> None:
        """Cancel the part on its way or forget one that failed; bytes that count stay."""
        if self._sending is not None:
            self.clean = False
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
            self._sending = None
        self._buffer.clear()

    async def _read(self, count: int) -> None:
        """Read the last ``count`` pieces into memory, before what is there."""
        for _ in range(count):
            data = await self._sources.read(self._unread[-1].key)
            self._unread = self._unread[:-1]
            self._buffer[:0] = data

    @property
    def _pending(self) -> int:
        """The bytes that are in no part."""
        return size_of(self._unread) + len(self._buffer)

    @property
    def _unrecognised(self) -> bool:
        return self._content_type is None and not self.upload.partial and not self._counted

    async def _recognise_enough(self) -> None:
        """Recognise the container of the first bytes, unless packets may still follow them."""
        head = bytes(self._buffer[:MOST_BYTES])
        found = await asyncio.to_thread(recognise, head)
        if found is not None:
            self._content_type = found.content_type
        elif len(head) == MOST_BYTES or not may_follow(head):
            raise _refused(head)

    def _recognise(self, *, whole: bool) -> None:
        """Recognise the container. ``whole``: all bytes that this needs are here."""
        if not self._unrecognised:
            return
        head = bytes(self._buffer[:MOST_BYTES])
        if not whole and not is_hopeless(head):
            return
        container = recognise(head)
        if container is None:
            raise _refused(head)
        self._content_type = container.content_type

    async def _send(self, size: int) -> None:
        await self._settle()
        if self._multipart_id is None:
            content_type = self._content_type or "application/octet-stream"
            self._multipart_id = await self._sources.start_multipart(self.upload.key, content_type)
            await self._uploads.set_multipart(self.upload.id, self.upload.epoch, self._multipart_id)
        data = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        number, self._next_part = self._next_part, self._next_part + 1
        self._sending = asyncio.create_task(self._store(self._multipart_id, number, data))

    async def _store(self, multipart_id: str, number: int, data: bytes) -> None:
        """Store a part and count it now: the client may pause."""
        stored: Any = await self._sources.put_part(self.upload.key, multipart_id, number, data)
        self._uncounted.append(Part(stored.number, stored.etag, stored.size))
        if not self._hold_back:
            await self._count(())

    async def _settle(self) -> None:
        """Wait for the part on its way. Raises what storing it raised, each time it is called.

        Bytes after a part count only once it does: a part is forgotten when it is stored, not when
        whoever waits for it is cancelled, and one that failed stays.
        """
        if self._sending is not None:
            await asyncio.shield(self._sending)
            self._sending = None

    async def _count(self, pieces: tuple[Piece, ...]) -> None:
        """Record the parts since the last time, and the pieces that follow them."""
        counted = self._counted + sum(part.size for part in self._uncounted)
        tail_size = size_of(pieces)
        await self._uploads.advance(
            self.upload.id,
            self.upload.epoch,
            Progress(
                received=counted + tail_size,
                next_part=self._next_part,
                parts=tuple(self._uncounted),
                tail_key=named(pieces),
                tail_size=tail_size,
                content_type=self._content_type,
            ),
            self._lifetime,
        )
        self._metrics.stored(sum(part.size for part in self._uncounted))
        self._counted = counted
        self._uncounted.clear()
        self._touched = asyncio.get_running_loop().time()
        before, self._pieces = self._pieces, pieces
        for piece in before:
            if piece not in pieces:
                await self._forget(piece.key)

    async def _touch(self) -> None:
        """Keep the upload of a slow client from expiring while its bytes arrive."""
        now = asyncio.get_running_loop().time()
        if now - self._touched > _TOUCH_SECONDS:
            self._touched = now
            await self._uploads.touch(self.upload.id, self.upload.epoch, self._lifetime)

    async def _forget(self, key: str) -> None:
        # The sweep deletes what remains.
        with contextlib.suppress(Exception):
            await self._sources.delete(key)


def _refused(head: bytes) -> NotAVideo:
    return NotAVideo(f"This is not a video that we know; it looks like {looks_like(head)}.")
