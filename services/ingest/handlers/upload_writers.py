"""One request at a time writes to an upload, across processes. See docs/decisions/0020."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, Protocol

import msgspec

from services.ingest.handlers.limits import Limits
from services.ingest.handlers.writer import Writer
from services.ingest.ports import (
    Body,
    Metrics,
    SourceStore,
    Upload,
    UploadOwnership,
    UploadProgress,
)
from shared.errors import CinelogError

# Seconds that a writer has to store what it has, once another request waits for the upload. After
# that it counts as dead, and the table refuses its further changes.
_RELEASE_SECONDS: Final = 2.0
_RELEASE_POLL_SECONDS: Final = 0.05


class WrittenUploads(UploadOwnership, UploadProgress, Protocol):
    """The table, as far as writers need it."""


class UploadWriters:
    """The writers of this process."""

    def __init__(
        self, uploads: WrittenUploads, sources: SourceStore, limits: Limits, metrics: Metrics
    ) -> None:
        self._uploads = uploads
        self._sources = sources
        self._limits = limits
        self._metrics = metrics
        self._held: dict[str, Callable[[], None]] = {}

    async def acquire(self, upload_id: str) -> Upload:
        """Become the writer; the present writer gets a moment to store what it has.

        Raises UploadNotFound, or UploadLost where the upload is not open.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _RELEASE_SECONDS
        requested = False
        while (await self._uploads.get(upload_id)).held and loop.time() < deadline:
            if not requested:
                await self._uploads.request_release(upload_id)
                requested = True
            await asyncio.sleep(_RELEASE_POLL_SECONDS)
        return await self._uploads.acquire(upload_id)

    async def release(self, upload: Upload) -> None:
        """Stop being the writer of an upload without having written to it."""
        await self._uploads.release(upload.id, upload.epoch, clean=True)

    async def set_length(self, upload: Upload, length: int) -> Upload:
        """Record the length of an acquired upload, in bytes. Raises UploadLost."""
        await self._uploads.set_length(upload.id, upload.epoch, length)
        return msgspec.structs.replace(upload, length=length)

    @asynccontextmanager
    async def writing(
        self, upload: Upload, body: Body, *, hold_back: bool = False
    ) -> AsyncIterator[Writer]:
        """Write to an acquired upload; a request that waits for it interrupts ``body``.

        Releases the upload at the end.
        """
        writer = Writer(
            self._uploads,
            self._sources,
            upload,
            max_bytes=self._limits.max_bytes,
            lifetime=self._limits.lifetime(upload.protocol),
            metrics=self._metrics,
            hold_back=hold_back,
        )
        self._held[upload.id] = body.interrupt
        try:
            yield writer
        finally:
            if self._held.get(upload.id) == body.interrupt:
                del self._held[upload.id]
            await writer.discard()
            with contextlib.suppress(CinelogError):
                await asyncio.shield(
                    self._uploads.release(upload.id, upload.epoch, clean=writer.clean)
                )

    async def release_requested(self) -> None:
        """Interrupt the bodies of those uploads here that other requests wait for."""
        if not self._held:
            return
        for upload_id in await self._uploads.requested_releases(list(self._held)):
            interrupt = self._held.get(upload_id)
            if interrupt is not None:
                interrupt()
