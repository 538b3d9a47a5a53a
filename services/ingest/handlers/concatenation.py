"""Final uploads of tus' concatenation extension: partial uploads, stored one after the other."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Final

from services.ingest.domain import NotAVideo
from services.ingest.handlers.idempotency import end_open
from services.ingest.handlers.steps import UploadSteps
from services.ingest.ports import (
    Body,
    SourceStore,
    Upload,
    UploadLookup,
    UploadLost,
    UploadNotFound,
)

# Who copies counts a further part within seconds. Where it lives although nothing was counted for
# so long, the table refuses what it does later.
_SILENT: Final = timedelta(seconds=60)
_POLL_SECONDS: Final = 0.5


class Concatenation:
    """Writes the content of stored uploads into new ones."""

    def __init__(self, steps: UploadSteps, uploads: UploadLookup, sources: SourceStore) -> None:
        self._steps = steps
        self._uploads = uploads
        self._sources = sources

    async def make(self, upload: Upload, parts: Sequence[Upload]) -> Upload:
        """Start ``upload``, fill it with ``parts``, complete it, and remove them.

        Raises NotAVideo, KeyInUse, what ``UploadSlots.hold`` raises, and what the storage raises.
        """
        async with self._steps.slots.hold(upload.user_id, None):
            await self._steps.starter.start(upload)
            upload = await self._steps.writers.acquire(upload.id)
            try:
                await self._copy(upload, parts)
            except NotAVideo as error:
                await self._steps.ender.reject(upload, error)
                raise
            except BaseException:
                await asyncio.shield(self._steps.ender.abort(upload, "It could not be joined."))
                raise
        made = await self._steps.completer.complete(upload.id)
        # Their bytes are stored a second time: they are not kept for another upload.
        for part in parts:
            await self._steps.ender.remove(part)
        return made

    async def outcome(self, upload_id: str) -> Upload | None:
        """The final upload that another request makes, completed; None where it has ended.

        Waits while its parts are copied. One whose process died while it copied is ended here.
        """
        with contextlib.suppress(UploadNotFound):
            while (upload := await self._uploads.get(upload_id)).phase == "open":
                if abs(upload.read_at - upload.updated_at) < _SILENT:
                    await asyncio.sleep(_POLL_SECONDS)
                elif upload.whole:
                    with contextlib.suppress(UploadLost):
                        return await self._steps.finisher.finish(upload_id)
                else:
                    await end_open(self._steps, upload)
            if upload.phase != "ending":
                return await self._steps.completer.complete(upload_id)
        return None

    async def _copy(self, upload: Upload, parts: Sequence[Upload]) -> None:
        body: Body = _StoredUploads(self._sources, parts)
        async with self._steps.writers.writing(upload, body) as writer:
            async for chunk in body:
                await writer.write(chunk)
            await writer.finish()
            await self._steps.completer.begin(
                upload, sha256=writer.sha256, content_type=writer.content_type
            )


class _StoredUploads:
    """Implements ``Body``: stored uploads, read as if a client sent them."""

    def __init__(self, sources: SourceStore, parts: Sequence[Upload]) -> None:
        self._sources = sources
        self._parts = parts
        self._interrupted = False
        self.length = sum(part.received for part in parts)
        self.address = None
        self.slow = False

    def interrupt(self) -> None:
        self._interrupted = True

    def displace(self) -> None:
        """Nobody sends it, so it holds no address's place."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            async for chunk in self._sources.open(part.key):
                if self._interrupted:
                    raise UploadLost("Another request goes on with this upload.")
                yield chunk
