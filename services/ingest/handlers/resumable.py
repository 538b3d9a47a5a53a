"""Uploads that go on where they stopped, on any replica.

An offset is acknowledged only when bucket and table both have every byte below it. Who writes is
decided by the row's epoch: whoever comes last takes the upload over, and the one before, if it is
still alive, gets a moment to store what it has.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime

import msgspec

from services.ingest.details import (
    Details,
    check_details,
    parse_details,
    titled_by_filename,
)
from services.ingest.domain import NotAVideo, readable_size
from services.ingest.handlers.lifecycle import KeyReused, Lifecycle
from services.ingest.handlers.writer import UploadTooLarge, Writer
from services.ingest.ports import (
    Body,
    ClientGone,
    KeyInUse,
    Stalled,
    Upload,
    UploadLost,
    UploadNotFound,
)
from services.ingest.tus import (
    Checksum,
    ChecksumMismatch,
    Creation,
    Join,
    OffsetMismatch,
    TusError,
)


class Resumable:
    """What tus asks for."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle
        self._records = lifecycle.records

    @property
    def max_bytes(self) -> int:
        """The largest upload that is accepted."""
        return self._lifecycle.limits.max_bytes

    async def create(
        self, user_id: str, creation: Creation, *, idempotency_key: str | None = None
    ) -> Upload:
        """A new upload; with an idempotency key that was used before, the one it led to.

        Raises InvalidDetails, NotAVideo, TusError, UploadTooLarge, KeyReused.
        """
        fingerprint = _fingerprint(creation)
        if idempotency_key is not None:
            earlier = await self._records.by_key(user_id, idempotency_key)
            if earlier is not None:
                return await self._same(earlier, fingerprint)
        if creation.final is not None:
            return await self._join(user_id, creation, creation.final, idempotency_key)
        if creation.length is not None:
            self._check_length(creation.length)
        if creation.length == 0 and not creation.partial:
            raise NotAVideo("An empty file is not a video.")
        upload = msgspec.structs.replace(
            self._lifecycle.draft(
                user_id,
                "tus",
                Details() if creation.partial else _details(creation),
                idempotency_key=idempotency_key,
            ),
            length=creation.length,
            partial=creation.partial,
            metadata=creation.raw_metadata,
            fingerprint=fingerprint,
        )
        try:
            await self._lifecycle.start(upload)
        except KeyInUse:
            earlier = await self._records.by_key(user_id, idempotency_key or "")
            if earlier is None:
                raise
            return await self._same(earlier, fingerprint)
        if upload.partial and upload.length == 0:
            return await self._empty(upload)
        return upload

    async def inspect(self, user_id: str, upload_id: str) -> Upload:
        """Where an upload stands. A request that still writes to it is ended first, so that the
        offset holds until the client goes on. Raises UploadNotFound."""
        upload = await self._owned(user_id, upload_id)
        if upload.phase == "completing":
            return await self._lifecycle.complete(upload.id)
        if upload.phase == "open" and upload.held:
            with suppress(UploadLost):
                taken = await self._lifecycle.acquire(upload_id)
                await self._records.release(taken.id, taken.epoch, clean=True)
            return await self._owned(user_id, upload_id)
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
        end of a body for which it is true (the IETF's draft). ``length`` is what a client that
        did not know it before says now. Raises UploadNotFound,
        OffsetMismatch, ChecksumMismatch, UploadTooLarge, NotAVideo, UploadLost and what the
        storage raises; what was durable before that stays.
        """
        upload = await self._owned(user_id, upload_id)
        if upload.phase == "completing":
            upload = await self._lifecycle.complete(upload.id)
        if upload.phase == "completed":
            if offset != upload.received:
                raise OffsetMismatch(upload.received)
            return upload
        with self._lifecycle.slot():
            upload = await self._lifecycle.acquire(upload_id)
            try:
                if upload.received != offset:
                    raise OffsetMismatch(upload.received)
                upload = await self._with_length(upload, length)
            except BaseException:
                await self._records.release(upload.id, upload.epoch, clean=True)
                raise
            try:
                complete = await self._write(upload, body, checksum, finish)
            except NotAVideo as error:
                await self._lifecycle.reject(upload, error)
                raise
        if complete:
            return await self._lifecycle.complete(upload_id)
        return await self._records.get(upload_id)

    async def terminate(self, user_id: str, upload_id: str) -> None:
        """End an upload and forget its bytes. Raises UploadNotFound, UploadLost if complete."""
        upload = await self._owned(user_id, upload_id)
        if upload.phase == "completed" and upload.partial:
            await self._lifecycle.remove(upload)
            return
        taken = await self._lifecycle.acquire(upload_id)
        await self._lifecycle.abort(taken, "Its owner gave it up.")

    async def _write(
        self,
        upload: Upload,
        body: Body,
        checksum: Checksum | None = None,
        finish: bool | None = None,
    ) -> bool:
        """Whether the upload now has all its bytes and is completing."""
        held_back = checksum is not None
        async with self._lifecycle.writing(upload, body, hold_back=held_back) as writer:
            digest = None if checksum is None else checksum.start()
            try:
                async for chunk in body:
                    if digest is not None:
                        digest.update(chunk)
                    await writer.write(chunk)
            except (ClientGone, Stalled, UploadLost, asyncio.CancelledError):
                # What arrived counts, unless its checksum can no longer be compared.
                if not held_back:
                    await asyncio.shield(writer.flush())
                raise
            if checksum is not None and digest is not None and digest.digest() != checksum.expected:
                raise ChecksumMismatch("The bytes arrived damaged and were thrown away.")
            return await self._end_of_body(upload, writer, finish)

    async def _end_of_body(self, upload: Upload, writer: Writer, finish: bool | None) -> bool:
        if finish and upload.length not in {None, writer.offset}:
            await writer.flush()
            raise TusError("The upload ends before its length.")
        if not (writer.offset == upload.length if finish is None else finish):
            await writer.flush()
            return False
        await writer.finish()
        await self._records.begin_completing(
            upload.id, upload.epoch, upload.details, writer.sha256, writer.content_type
        )
        return True

    async def _with_length(self, upload: Upload, length: int | None) -> Upload:
        if length is None or length == upload.length:
            return upload
        if upload.length is not None or length < upload.received:
            raise TusError("The upload's length cannot be changed.")
        self._check_length(length)
        await self._records.set_length(upload.id, upload.epoch, length)
        return msgspec.structs.replace(upload, length=length)

    async def _join(
        self, user_id: str, creation: Creation, join: Join, idempotency_key: str | None
    ) -> Upload:
        """The final upload out of complete partial ones."""
        parts = [await self._owned(user_id, upload_id) for upload_id in join.upload_ids]
        if not all(part.partial and part.phase == "completed" for part in parts):
            raise TusError("Only partial uploads that are complete can be joined.")
        length = sum(part.received for part in parts)
        self._check_length(length)
        upload = msgspec.structs.replace(
            self._lifecycle.draft(
                user_id, "tus", _details(creation), idempotency_key=idempotency_key
            ),
            length=length,
            joined=join.upload_ids,
            metadata=creation.raw_metadata,
            fingerprint=_fingerprint(creation),
        )
        with self._lifecycle.slot():
            await self._lifecycle.start(upload)
            upload = await self._lifecycle.acquire(upload.id)
            try:
                await self._write(upload, _Objects(self._lifecycle, parts))
            except NotAVideo as error:
                await self._lifecycle.reject(upload, error)
                raise
            except BaseException:
                await asyncio.shield(self._lifecycle.abort(upload, "It could not be joined."))
                raise
        return await self._lifecycle.complete(upload.id)

    async def _empty(self, upload: Upload) -> Upload:
        taken = await self._lifecycle.acquire(upload.id)
        await self._write(taken, _Objects(self._lifecycle, []))
        return await self._lifecycle.complete(upload.id)

    async def _owned(self, user_id: str, upload_id: str) -> Upload:
        """Raises UploadNotFound, also for what has expired: the sweep only has not come yet."""
        upload = await self._records.get(upload_id)
        expired = upload.phase == "open" and upload.expires_at <= datetime.now(UTC)
        if upload.user_id != user_id or upload.phase == "ending" or expired:
            raise UploadNotFound("There is no such upload.")
        if upload.protocol != "tus":
            raise UploadNotFound("There is no such resumable upload.")
        return upload

    async def _same(self, earlier: Upload, fingerprint: str) -> Upload:
        """What an idempotency key led to before. Raises KeyReused for another request."""
        if earlier.fingerprint != fingerprint:
            raise KeyReused("This idempotency key was used for a different upload.")
        if earlier.phase == "open":
            await self._lifecycle.say_started(earlier)
        return earlier

    def _check_length(self, length: int) -> None:
        if length > self.max_bytes:
            raise UploadTooLarge(f"A video may have at most {readable_size(self.max_bytes)}.")


class _Objects:
    """Stored partial uploads, read one after the other as if a client sent them."""

    def __init__(self, lifecycle: Lifecycle, parts: list[Upload]) -> None:
        self._lifecycle = lifecycle
        self._parts = parts
        self._wanted = False

    def interrupt(self) -> None:
        self._wanted = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            async for chunk in self._lifecycle.sources.open(part.key):
                if self._wanted:
                    raise UploadLost("Another request goes on with this upload.")
                yield chunk


def _details(creation: Creation) -> Details:
    given = parse_details(creation.metadata.items())
    if not given.filename:
        # What many clients of tus call it.
        given = msgspec.structs.replace(given, filename=creation.metadata.get("name", ""))
    return check_details(titled_by_filename(given))


def _fingerprint(creation: Creation) -> str:
    return hashlib.sha256(msgspec.json.encode(creation)).hexdigest()
