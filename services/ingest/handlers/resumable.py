"""Uploads that go on where they stopped, on any replica.

An offset is acknowledged only when bucket and table have every byte below it. The row's epoch
decides who writes: the newest writer takes the upload over, and the one before it gets a moment to
store what it has.
"""

import asyncio
import hashlib
from contextlib import suppress
from typing import Final

import msgspec

from services.ingest.details import Details, check_details, parse_details, titled_by_filename
from services.ingest.domain import NotAVideo, readable_size
from services.ingest.handlers.concatenation import Concatenation
from services.ingest.handlers.discarded import Discarded
from services.ingest.handlers.idempotency import has_expired, require_same
from services.ingest.handlers.limits import Limits
from services.ingest.handlers.steps import UploadSteps
from services.ingest.handlers.writer import UploadTooLarge, Writer
from services.ingest.ports import (
    Body,
    ClientGone,
    KeyInUse,
    Stalled,
    Upload,
    UploadLookup,
    UploadLost,
    UploadNotFound,
)
from services.ingest.quotas import QuotaExceeded
from services.ingest.tus import (
    METADATA_OF_CLIENTS,
    Checksum,
    ChecksumMismatch,
    Creation,
    Join,
    OffsetMismatch,
    TusError,
)
from shared.pace import Pace

# Bytes of a body whose checksum is compared: until then they are stored, but nobody counts them.
MAX_CHECKED: Final = 64 * 1024 * 1024


class Resumable:
    """The operations of tus, which the IETF's draft shares."""

    def __init__(
        self,
        steps: UploadSteps,
        concatenation: Concatenation,
        uploads: UploadLookup,
        limits: Limits,
    ) -> None:
        self._steps = steps
        self._concatenation = concatenation
        self._uploads = uploads
        self._limits = limits
        self._discarded = Discarded()

    @property
    def max_bytes(self) -> int:
        """The largest upload that is accepted."""
        return self._limits.max_bytes

    def pace(self) -> Pace:
        """How slowly a new body may arrive."""
        return self._limits.pace()

    async def create(
        self, user_id: str, creation: Creation, *, idempotency_key: str | None = None
    ) -> Upload:
        """A new upload, or the one that an earlier request with the same key made.

        Raises InvalidDetails, NotAVideo, TusError, UploadTooLarge, KeyReused.
        """
        fingerprint = _fingerprint(creation)
        if idempotency_key is not None:
            earlier = await self._uploads.by_key(user_id, idempotency_key)
            same = None if earlier is None else await self._same(earlier, fingerprint)
            if same is not None:
                return same
        if creation.final is not None:
            return await self._join(user_id, creation, creation.final, idempotency_key)
        if creation.length is not None:
            self._check_length(creation.length)
        if creation.length == 0 and not creation.partial:
            raise NotAVideo("An empty file is not a video.")
        details = await self._details(user_id, creation)
        upload = msgspec.structs.replace(
            self._new_upload(user_id, creation, details, idempotency_key),
            length=creation.length,
            partial=creation.partial,
        )
        try:
            await self._steps.starter.start(upload)
        except KeyInUse:
            earlier = await self._uploads.by_key(user_id, idempotency_key or "")
            same = None if earlier is None else await self._same(earlier, fingerprint)
            if same is None:
                raise
            return same
        if upload.whole:
            # A partial upload of no bytes.
            return await self._steps.finisher.finish(upload.id)
        return upload

    async def inspect(self, user_id: str, upload_id: str, *, finish: bool = True) -> Upload:
        """The state of an upload. Raises UploadNotFound.

        A request that still writes to it is interrupted first, so that the offset does not change
        until the client goes on. A client has nothing to send where all its bytes count, so such
        an upload is completed, unless not ``finish``: a client of the IETF's draft then still says
        that it is complete. Raises what ``UploadSlots.hold`` and ``UploadFinisher.finish`` do.
        """
        upload = await self._owned(user_id, upload_id)
        if upload.phase == "open" and upload.held and not upload.joined:
            with suppress(UploadLost):
                await self._steps.writers.release(await self._steps.writers.acquire(upload_id))
            upload = await self._owned(user_id, upload_id)
        if finish and upload.phase == "open" and upload.whole:
            with suppress(UploadLost):
                async with self._steps.slots.hold(user_id, upload.tail_size):
                    return await self._steps.finisher.finish(upload_id)
            upload = await self._owned(user_id, upload_id)
        if upload.phase == "completing":
            return await self._steps.completer.complete(upload.id)
        return upload

    async def append(
        self,
        user_id: str,
        upload_id: str,
        offset: int,
        body: Body,
        *,
        length: int | None = None,
        checksum: Checksum | None = None,
        finish: bool | None = None,
    ) -> Upload:
        """Append a request's body.

        The upload is complete with its last byte (tus) or, where ``finish`` is given, with the
        end of a body for which it is true (the IETF's draft). ``length`` is the upload's, where
        the client did not send it before. Raises UploadNotFound, OffsetMismatch,
        ChecksumMismatch, UploadTooLarge, NotAVideo, UploadLost, TooMuchDiscarded, and what the
        storage raises; bytes that were durable before that stay.
        """
        upload = await self._owned(user_id, upload_id)
        if upload.phase == "completing":
            upload = await self._steps.completer.complete(upload.id)
        if upload.phase == "completed":
            if offset != upload.received:
                raise OffsetMismatch(upload.received)
            return upload
        if upload.joined:
            raise TusError("A final upload takes no bytes: they come from its parts.")
        if checksum is not None:
            self._discarded.check(user_id)
        async with self._steps.slots.hold(user_id, _memory(upload, body), body.address, body):
            upload = await self._steps.writers.acquire(upload_id)
            try:
                if upload.received != offset:
                    raise OffsetMismatch(upload.received)
                upload = await self._with_length(upload, length)
            except BaseException:
                await self._steps.writers.release(upload)
                raise
            try:
                complete = await self._write(upload, body, checksum, finish)
            except (NotAVideo, QuotaExceeded) as error:
                await self._steps.ender.reject(upload, error)
                raise
        if complete:
            return await self._steps.completer.complete(upload_id)
        return await self._uploads.get(upload_id)

    async def terminate(self, user_id: str, upload_id: str) -> None:
        """End an upload and delete its bytes. Raises UploadNotFound; UploadLost if complete."""
        upload = await self._owned(user_id, upload_id)
        if upload.phase == "completed" and upload.partial:
            await self._steps.ender.remove(upload)
            return
        taken = await self._steps.writers.acquire(upload_id)
        await self._steps.ender.abort(taken, "Its owner gave it up.")

    async def _write(
        self, upload: Upload, body: Body, checksum: Checksum | None, finish: bool | None
    ) -> bool:
        """Whether the upload now has all its bytes and is completing."""
        held_back = checksum is not None
        async with self._steps.writers.writing(upload, body, hold_back=held_back) as writer:
            if checksum is not None:
                await self._write_checked(writer, body, checksum)
                return await self._end_of_body(upload, writer, finish)
            try:
                async for chunk in body:
                    await writer.write(chunk)
            except (ClientGone, Stalled, UploadLost, asyncio.CancelledError):
                # Bytes that arrived count.
                await asyncio.shield(writer.flush())
                raise
            return await self._end_of_body(upload, writer, finish)

    async def _write_checked(self, writer: Writer, body: Body, checksum: Checksum) -> None:
        """Write a body that counts only if it is whole and has its checksum."""
        digest, held = checksum.start(), 0
        try:
            async for chunk in body:
                digest.update(chunk)
                held += len(chunk)
                if held > MAX_CHECKED:
                    raise UploadTooLarge(
                        f"A body with a checksum may have {readable_size(MAX_CHECKED)}."
                    )
                await writer.write(chunk)
            if digest.digest() != checksum.expected:
                raise ChecksumMismatch("The bytes arrived damaged and were thrown away.")
        except BaseException:
            self._discarded.add(writer.upload.user_id, held)
            raise

    async def _end_of_body(self, upload: Upload, writer: Writer, finish: bool | None) -> bool:
        if finish and upload.length not in {None, writer.offset}:
            await writer.flush()
            raise TusError("The upload ends before its length.")
        if not (writer.offset == upload.length if finish is None else finish):
            await writer.flush()
            return False
        await writer.finish()
        await self._steps.completer.begin(
            upload, sha256=writer.sha256, content_type=writer.content_type
        )
        return True

    async def _with_length(self, upload: Upload, length: int | None) -> Upload:
        if length is None or length == upload.length:
            return upload
        if upload.length is not None or length < upload.received:
            raise TusError("The upload's length cannot be changed.")
        self._check_length(length)
        return await self._steps.writers.set_length(upload, length)

    async def _join(
        self, user_id: str, creation: Creation, join: Join, idempotency_key: str | None
    ) -> Upload:
        """The final upload of complete partial ones."""
        if len(set(join.upload_ids)) != len(join.upload_ids):
            raise TusError("A partial upload can be joined once.")
        parts = [await self._owned(user_id, upload_id) for upload_id in join.upload_ids]
        if not all(part.partial and part.phase == "completed" for part in parts):
            raise TusError("Only partial uploads that are complete can be joined.")
        while (other := await self._uploads.joining(user_id, join.upload_ids)) is not None:
            await self._concatenation.outcome(other.id)
        length = sum(part.received for part in parts)
        self._check_length(length)
        upload = msgspec.structs.replace(
            self._new_upload(
                user_id, creation, await self._details(user_id, creation), idempotency_key
            ),
            length=length,
            joined=join.upload_ids,
        )
        return await self._concatenation.make(upload, parts)

    async def _details(self, user_id: str, creation: Creation) -> Details:
        """What the video will have; a partial upload is no video. Raises InvalidDetails."""
        given = parse_details(creation.metadata.items(), METADATA_OF_CLIENTS)
        if creation.partial:
            return Details()
        if not given.filename:
            # Many clients of tus send the file's name as "name".
            given = msgspec.structs.replace(given, filename=creation.metadata.get("name", ""))
        checked = check_details(titled_by_filename(given))
        return await self._steps.starter.with_visibility(user_id, checked)

    def _new_upload(
        self, user_id: str, creation: Creation, details: Details, idempotency_key: str | None
    ) -> Upload:
        return msgspec.structs.replace(
            self._steps.starter.new_upload(
                user_id, "tus", details, idempotency_key=idempotency_key
            ),
            metadata=creation.raw_metadata,
            fingerprint=_fingerprint(creation),
        )

    async def _owned(self, user_id: str, upload_id: str) -> Upload:
        """Raises UploadNotFound, also for an expired upload that the sweep has not ended yet."""
        upload = await self._uploads.get(upload_id)
        gone = upload.phase == "ending" or upload.expired
        if upload.user_id != user_id or upload.protocol != "tus" or gone:
            raise UploadNotFound
        return upload

    async def _same(self, earlier: Upload, fingerprint: str) -> Upload | None:
        """The upload of the key's first request; None where it has ended. Raises KeyReused."""
        require_same(earlier, fingerprint)
        if await has_expired(self._steps, earlier):
            return None
        if earlier.joined:
            return await self._concatenation.outcome(earlier.id)
        if earlier.phase == "open":
            await self._steps.starter.record_started(earlier)
        return earlier

    def _check_length(self, length: int) -> None:
        if length > self.max_bytes:
            raise UploadTooLarge(f"A video may have at most {readable_size(self.max_bytes)}.")


def _memory(upload: Upload, body: Body) -> int | None:
    """Bytes that an append takes: the tail of the one before it is read into memory."""
    return None if body.length is None else body.length + upload.tail_size


def _fingerprint(creation: Creation) -> str:
    return hashlib.sha256(msgspec.json.encode(creation)).hexdigest()
