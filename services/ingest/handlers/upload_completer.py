"""How an upload becomes a video: its parts are joined, and VideoUploaded is appended."""

from typing import Final

import msgspec

from services.ingest.details import Details
from services.ingest.domain import Complete
from services.ingest.handlers.upload_events import UploadEvents
from services.ingest.ports import SourceStore, Upload, UploadCompletion, UploadLost
from shared.errors import NotFound, Unauthenticated, Unavailable

_FALLBACK_TYPE: Final = "application/octet-stream"


class IncompleteObject(Unavailable):
    """The bucket does not hold the object that the parts should have made."""

    code = "incomplete_object"


class UploadCompleter:
    """Completes uploads whose bytes are all stored."""

    def __init__(
        self, uploads: UploadCompletion, sources: SourceStore, events: UploadEvents
    ) -> None:
        self._uploads = uploads
        self._sources = sources
        self._events = events

    async def begin(
        self,
        upload: Upload,
        *,
        sha256: str | None,
        content_type: str | None,
        details: Details | None = None,
    ) -> None:
        """Record that all bytes are stored; from now on the sweep completes the upload, too.

        ``details`` replace those of the upload's start. Raises UploadLost; Unauthenticated if the
        account was deleted while the bytes were on their way.
        """
        if await self._events.is_account_deleted(upload.user_id):
            raise Unauthenticated("Log in first.")
        await self._uploads.begin_completing(upload.id, upload.epoch, details, sha256, content_type)

    async def complete(self, upload_id: str) -> Upload:
        """Join the parts and append VideoUploaded. Safe to repeat, and to run twice in parallel.

        Raises UploadLost where ``begin`` was not called, UploadClosed where the upload has ended,
        IncompleteObject, and what the storage raises.
        """
        upload = await self._uploads.get(upload_id)
        if upload.phase == "completed":
            return upload
        if upload.phase != "completing":
            raise UploadLost("This upload is not complete.")
        await self._join(upload)
        if not upload.partial:
            complete = Complete(
                video_id=upload.id,
                user_id=upload.user_id,
                details=upload.details,
                content_type=upload.content_type or _FALLBACK_TYPE,
                size=upload.received,
                source_key=upload.key,
                sha256=upload.sha256,
            )
            await self._events.decide(upload, complete)
        await self._uploads.completed(upload.id)
        return msgspec.structs.replace(upload, phase="completed")

    async def _join(self, upload: Upload) -> None:
        if upload.multipart_id is None:
            raise IncompleteObject("The upload has no parts.")
        parts = await self._uploads.parts(upload.id)
        try:
            await self._sources.complete_multipart(upload.key, upload.multipart_id, parts)
        except (NotFound, Unavailable):
            # The parts may be joined already: the answer was lost, or the next step failed.
            if await self._size(upload.key) != upload.received:
                raise
        if await self._size(upload.key) != upload.received:
            raise IncompleteObject("The stored upload is not whole.")

    async def _size(self, key: str) -> int | None:
        try:
            return (await self._sources.head(key)).size
        except NotFound:
            return None
