"""Uploads whose bytes never pass through Python: the client puts parts into the bucket itself.

Ingest signs one URL per part. At the end it checks the bucket, not the client's claims: sizes by
the bucket's own list of parts, the container by the object's first bytes.
"""

import asyncio
import hashlib
import math
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol

import msgspec

from services.ingest.containers import MOST_BYTES, Container, looks_like, recognise
from services.ingest.details import Details, check_details
from services.ingest.domain import NotAVideo, readable_size
from services.ingest.handlers.idempotency import has_expired, require_same
from services.ingest.handlers.limits import Limits
from services.ingest.handlers.steps import UploadSteps
from services.ingest.handlers.writer import UploadTooLarge
from services.ingest.ports import (
    Part,
    Progress,
    SourceStore,
    StoredPart,
    Upload,
    UploadLookup,
    UploadNotFound,
    UploadProgress,
)
from shared.contracts import Visibility
from shared.errors import Conflict, Detail, InvalidInput, NotFound

_MIB: Final = 1024 * 1024
_MIN_PART: Final = 8 * _MIB
_MAX_PARTS: Final = 1000
# Before each of the readings that must agree on a refusal.
_PAUSES: Final = (0.0, 0.2, 0.5)
_MAX_SIGNED_SECONDS: Final = 7 * 24 * 3600


class DirectUploadsOff(NotFound):
    """Clients cannot reach the bucket in this installation."""

    code = "direct_uploads_off"


class PartsMissing(Conflict):
    """A part is not in the bucket, or not as long as planned."""

    code = "parts_missing"


class DirectRequest(Details, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``size`` of the file in bytes."""

    # Keyword-only fields may be required again.
    title: str  # pyright: ignore[reportGeneralTypeIssues]
    visibility: Visibility | None = None
    size: int


class SignedPart(msgspec.Struct, frozen=True):
    """PUT ``size`` bytes to ``url``, no more and no fewer; no header is needed but their number."""

    number: int
    size: int
    url: str


class DirectPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Where to put the parts, in any order, until ``expires_at``; then POST to ``complete``."""

    upload_id: str
    part_size: int
    parts: Sequence[SignedPart]
    expires_at: datetime
    complete: str


class DirectUploadTable(UploadLookup, UploadProgress, Protocol):
    """The table, as far as direct uploads need it."""


class DirectUploads:
    """Plans and completes direct uploads. ``signer`` signs for the address that clients use."""

    def __init__(
        self,
        steps: UploadSteps,
        uploads: DirectUploadTable,
        sources: SourceStore,
        signer: SourceStore | None,
        limits: Limits,
    ) -> None:
        self._steps = steps
        self._uploads = uploads
        self._sources = sources
        self._signer = signer
        self._limits = limits

    async def begin(
        self, user_id: str, wanted: DirectRequest, *, idempotency_key: str | None = None
    ) -> DirectPlan:
        """Raises DirectUploadsOff, InvalidDetails, NotAVideo, UploadTooLarge, KeyReused."""
        if self._signer is None:
            raise DirectUploadsOff("Direct uploads are not offered here.")
        if wanted.size > self._limits.max_bytes:
            largest = readable_size(self._limits.max_bytes)
            raise UploadTooLarge(f"A video may have at most {largest}.")
        if wanted.size < 1:
            raise InvalidInput("The size must be at least 1.", [Detail("size", "is too small")])
        details = await self._steps.starter.with_visibility(user_id, check_details(wanted))
        fingerprint = hashlib.sha256(msgspec.json.encode(wanted)).hexdigest()
        if idempotency_key is not None:
            earlier = await self._uploads.by_key(user_id, idempotency_key)
            if earlier is not None:
                require_same(earlier, fingerprint)
            if earlier is not None and not await has_expired(self._steps, earlier):
                if earlier.phase == "open":
                    await self._steps.starter.record_started(earlier)
                return await self._plan(earlier, self._signer)
        upload = msgspec.structs.replace(
            self._steps.starter.new_upload(
                user_id, "direct", details, idempotency_key=idempotency_key
            ),
            length=wanted.size,
            fingerprint=fingerprint,
        )
        await self._steps.starter.start(upload)
        return await self._plan(upload, self._signer)

    async def complete(self, user_id: str, upload_id: str) -> Upload:
        """The completed upload. Safe to repeat.

        Raises UploadNotFound, PartsMissing, NotAVideo, and what the storage raises.
        """
        upload = await self._uploads.get(upload_id)
        if upload.user_id != user_id or upload.protocol != "direct" or upload.phase == "ending":
            raise UploadNotFound
        if upload.phase != "open":
            return await self._steps.completer.complete(upload.id)
        upload = await self._steps.writers.acquire(upload.id)
        try:
            parts = await self._join(upload)
            container = await self._recognise(upload)
        except NotAVideo as error:
            await self._steps.ender.reject(upload, error)
            raise
        except BaseException:
            await self._steps.writers.release(upload)
            raise
        await self._uploads.advance(
            upload.id,
            upload.epoch,
            Progress(
                received=upload.length or 0,
                next_part=upload.next_part,
                parts=tuple(Part(part.number, part.etag, part.size) for part in parts),
            ),
            self._limits.lifetime(upload.protocol),
        )
        await self._steps.completer.begin(upload, sha256=None, content_type=container.content_type)
        return await self._steps.completer.complete(upload.id)

    async def give_up(self, user_id: str, upload_id: str) -> None:
        """End an upload that is not complete. Raises UploadNotFound; UploadLost if it is."""
        upload = await self._uploads.get(upload_id)
        if upload.user_id != user_id or upload.protocol != "direct" or upload.phase == "ending":
            raise UploadNotFound
        taken = await self._steps.writers.acquire(upload.id)
        await self._steps.ender.abort(taken, "Its owner gave it up.")

    async def _plan(self, upload: Upload, signer: SourceStore) -> DirectPlan:
        multipart_id = upload.multipart_id
        if multipart_id is None:
            multipart_id = await self._sources.start_multipart(
                upload.key, "application/octet-stream"
            )
            await self._uploads.set_multipart(upload.id, upload.epoch, multipart_id)
        length = upload.length or 0
        size = part_size(length)
        seconds = int((upload.expires_at - upload.read_at).total_seconds())
        lasting = max(1, min(seconds, _MAX_SIGNED_SECONDS))
        parts: list[SignedPart] = []
        for number in range(1, math.ceil(length / size) + 1):
            own = min(size, length - (number - 1) * size)
            url = await signer.presign_part(upload.key, multipart_id, number, own, lasting)
            parts.append(SignedPart(number, own, url))
        return DirectPlan(
            upload_id=upload.id,
            part_size=size,
            parts=parts,
            expires_at=upload.expires_at,
            complete=f"/api/v1/uploads/direct/{upload.id}/complete",
        )

    async def _join(self, upload: Upload) -> Sequence[StoredPart]:
        length = upload.length or 0
        size = part_size(length)
        try:
            parts = await self._sources.list_parts(upload.key, upload.multipart_id or "")
        except NotFound:
            # An earlier request may have joined the parts and died.
            head = await self._sources.head(upload.key)
            if head.size != length:
                raise
            return ()
        found = {part.number: part.size for part in parts}
        missing = [
            Detail(f"parts.{number}", "is missing or has another size")
            for number in range(1, math.ceil(length / size) + 1)
            if found.get(number) != min(size, length - (number - 1) * size)
        ]
        if missing or len(found) != math.ceil(length / size):
            raise PartsMissing("Not all parts are there yet.", missing[:20])
        await self._sources.complete_multipart(upload.key, upload.multipart_id or "", parts)
        return parts

    async def _recognise(self, upload: Upload) -> Container:
        """A refusal deletes the upload, and the storage has no checksum of a part of an object:
        several readings must agree on it."""
        head = b""
        for pause in _PAUSES:
            await asyncio.sleep(pause)
            head = await self._sources.read(upload.key, 0, MOST_BYTES)
            container = recognise(head)
            if container is not None:
                return container
        raise NotAVideo(f"This is not a video that we know; it looks like {looks_like(head)}.")


def part_size(length: int) -> int:
    """Bytes per part: 8 MiB, or as many whole MiB as keep it to a thousand parts."""
    return max(_MIN_PART, math.ceil(length / _MAX_PARTS / _MIB) * _MIB)
