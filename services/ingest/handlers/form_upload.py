"""One request that brings a whole video: a form whose file goes straight on to the bucket."""

import asyncio
import contextlib
import hashlib
import re
from contextlib import AsyncExitStack
from typing import Final

from services.ingest.details import Details, check_details, parse_details
from services.ingest.domain import readable_size
from services.ingest.form_data import Field, FileEnded, FileStarted, FormParser, MalformedForm
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
from shared.errors import CinelogError, InvalidInput, Unavailable

FILE_FIELD: Final = "video"
# Boundaries, headers and the other fields: the body is larger than the file by at most this.
_FORM_OVERHEAD: Final = 1024 * 1024
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}\Z")
_CLAIM_ATTEMPTS: Final = 5


class FileTooLarge(InvalidInput):
    """The contract of this route answers 400, not 413."""

    code = "too_large"


def checked_key(key: str | None) -> str | None:
    """An Idempotency-Key as it may be kept. Raises InvalidInput."""
    if key is None or _KEY.match(key):
        return key
    raise InvalidInput("The Idempotency-Key must have 1 to 255 visible ASCII characters.")


class _Form:
    """The fields that have arrived so far."""

    def __init__(self) -> None:
        self._fields: list[tuple[str, str]] = []
        self.filename = ""

    def add(self, field: Field) -> None:
        self._fields.append((field.name, field.value))

    def details(self, *, partial: bool = False) -> Details:
        """``partial``: fields may still follow, but a wrong one is refused now.

        Raises InvalidDetails.
        """
        fields = [*self._fields, ("filename", self.filename)]
        return check_details(parse_details(fields), partial=partial)


class FormUploads:
    """Receives forms."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle

    async def receive(
        self,
        user_id: str,
        body: Body,
        *,
        content_type: str | None,
        content_length: int | None,
        idempotency_key: str | None = None,
    ) -> Upload:
        """The completed upload, durable and in the log.

        Raises InvalidInput for what was sent, Conflict for a key that belongs to something else,
        Unavailable where bucket or database do not answer; nothing is kept then.
        """
        parser = FormParser(content_type, FILE_FIELD)
        limit = self._lifecycle.limits.max_bytes
        if content_length is not None and content_length > limit + _FORM_OVERHEAD:
            raise FileTooLarge(f"A video may have at most {readable_size(limit)}.")
        key = checked_key(idempotency_key)
        with self._lifecycle.slot():
            earlier = None if key is None else await self._claim(user_id, key)
            if earlier is not None:
                return await self._compare(earlier, parser, body)
            return await self._store(user_id, key, parser, body)

    async def _claim(self, user_id: str, key: str) -> Upload | None:
        """What an earlier request with this key led to; one that is still under way is ended."""
        for _ in range(_CLAIM_ATTEMPTS):
            earlier = await self._lifecycle.records.by_key(user_id, key)
            if earlier is None:
                return None
            if earlier.protocol != "multipart":
                raise KeyReused("This idempotency key was used for another kind of upload.")
            if earlier.phase in {"completed", "completing"}:
                return await self._lifecycle.complete(earlier.id)
            # Its client gave up, or this request would not be here; its process may be gone too.
            with contextlib.suppress(UploadLost, UploadNotFound):
                taken = await self._lifecycle.acquire(earlier.id)
                await self._lifecycle.abort(taken, "The client sent it again.")
        raise KeyInUse("A request with this idempotency key is under way.")

    async def _store(self, user_id: str, key: str | None, parser: FormParser, body: Body) -> Upload:
        form = _Form()
        upload: Upload | None = None
        try:
            async with AsyncExitStack() as stack:
                writer: Writer | None = None
                async for chunk in body:
                    for event in parser.feed(chunk):
                        match event:
                            case Field():
                                form.add(event)
                            case FileStarted():
                                form.filename = event.filename
                                upload = await self._start(user_id, key, form.details(partial=True))
                                writer = await stack.enter_async_context(
                                    self._lifecycle.writing(upload, body)
                                )
                            case FileEnded():
                                pass
                            case bytes():
                                assert writer is not None
                                await writer.write(event)
                parser.finish()
                details = form.details()
                if writer is None or upload is None:
                    raise MalformedForm(f"The file is missing: send it as {FILE_FIELD}.")
                await writer.finish()
                await self._lifecycle.records.begin_completing(
                    upload.id, upload.epoch, details, writer.sha256, writer.content_type
                )
            return await self._lifecycle.complete(upload.id)
        except BaseException as error:
            if upload is not None:
                await asyncio.shield(self._give_up(upload, error))
            if isinstance(error, UploadTooLarge):
                raise FileTooLarge(error.message) from None
            raise

    async def _start(self, user_id: str, key: str | None, details: Details) -> Upload:
        upload = self._lifecycle.draft(user_id, "multipart", details, idempotency_key=key)
        await self._lifecycle.start(upload)
        return upload

    async def _give_up(self, upload: Upload, error: BaseException) -> None:
        """End the upload with the reason. Where that fails too, the sweep will do it."""
        with contextlib.suppress(CinelogError, OSError):
            match error:
                case ClientGone() | Stalled() | UploadLost():
                    await self._lifecycle.abort(upload, error.message)
                case Unavailable():
                    await self._lifecycle.abort(upload, "The storage did not answer.")
                case CinelogError():
                    await self._lifecycle.reject(upload, error)
                case asyncio.CancelledError():
                    await self._lifecycle.abort(upload, "The service was restarted.")
                case _:
                    await self._lifecycle.abort(upload, "Something went wrong on our side.")

    async def _compare(self, earlier: Upload, parser: FormParser, body: Body) -> Upload:
        """The same request again gets the same answer; another one under the same key does not."""
        form = _Form()
        digest, size = hashlib.sha256(), 0
        async for chunk in body:
            for event in parser.feed(chunk):
                match event:
                    case Field():
                        form.add(event)
                    case FileStarted():
                        form.filename = event.filename
                    case FileEnded():
                        pass
                    case bytes():
                        digest.update(event)
                        size += len(event)
                        if size > earlier.received:
                            raise _reused()
        parser.finish()
        sent = (form.details(), size, digest.hexdigest())
        if sent != (earlier.details, earlier.received, earlier.sha256):
            raise _reused()
        return earlier


def _reused() -> KeyReused:
    return KeyReused("This idempotency key was used for a different upload.")
