"""One request that carries a whole video: a form whose file is streamed to the bucket."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime
from typing import Final

import msgspec

from services.ingest.details import (
    NAMES,
    Details,
    UnknownField,
    check_details,
    parse_details,
    with_visibility,
)
from services.ingest.domain import readable_size
from services.ingest.form_data import (
    Field,
    FileEnded,
    FileStarted,
    FormEvent,
    FormParser,
    MalformedForm,
)
from services.ingest.handlers.idempotency import KeyReused, checked_key, end_open
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
)
from shared.errors import CinelogError, InvalidInput, Unavailable
from shared.pace import Pace

FILE_FIELD: Final = "video"
# Boundaries, headers and the other fields: the body is larger than the file by at most this.
_FORM_OVERHEAD: Final = 1024 * 1024
_CLAIM_ATTEMPTS: Final = 5
# The file's own header has its name.
_FIELDS: Final = frozenset(NAMES) - {"filename"}


class FileTooLarge(InvalidInput):
    """The contract of this route answers 400, not 413."""

    code = "too_large"


class FormUploads:
    """Receives forms."""

    def __init__(self, steps: UploadSteps, uploads: UploadLookup, limits: Limits) -> None:
        self._steps = steps
        self._uploads = uploads
        self._limits = limits

    def pace(self) -> Pace:
        """How slowly a new body may arrive."""
        return self._limits.pace()

    async def receive(
        self,
        user_id: str,
        body: Body,
        *,
        content_type: str | None,
        idempotency_key: str | None = None,
    ) -> Upload:
        """The completed upload, durable and in the log.

        Raises InvalidInput for what was sent, Conflict for a key that was used for something else,
        Unavailable where bucket or database do not answer, TooManyRequests or Unavailable where
        there is no slot. A failed request leaves no object.
        """
        parser = FormParser(content_type, FILE_FIELD)
        limit = self._limits.max_bytes
        if body.length is not None and body.length > limit + _FORM_OVERHEAD:
            raise FileTooLarge(f"A video may have at most {readable_size(limit)}.")
        key = checked_key(idempotency_key)
        async with self._steps.slots.hold(user_id, body.length, body.address, body):
            earlier = None if key is None else await self._claim(user_id, key)
            if earlier is not None:
                return await self._compare(earlier, parser, body)
            return await self._store(user_id, key, parser, body)

    async def _claim(self, user_id: str, key: str) -> Upload | None:
        """The completed upload of an earlier request with this key; an open one is ended."""
        for _ in range(_CLAIM_ATTEMPTS):
            earlier = await self._uploads.by_key(user_id, key)
            if earlier is None:
                return None
            if earlier.protocol != "multipart":
                raise KeyReused("another kind of upload")
            if earlier.phase in {"completed", "completing"}:
                return await self._steps.completer.complete(earlier.id)
            await end_open(self._steps, earlier)
        raise KeyInUse("A request with this idempotency key is under way.")

    async def _store(self, user_id: str, key: str | None, parser: FormParser, body: Body) -> Upload:
        reception = _Reception(self._steps, user_id, key, body)
        try:
            async with AsyncExitStack() as stack, aclosing(_events(parser, body)) as events:
                async for event in events:
                    await reception.accept(event, stack)
                upload = await reception.finish()
            return await self._steps.completer.complete(upload.id)
        except BaseException as error:
            if reception.upload is not None:
                await asyncio.shield(self._give_up(reception.upload, error))
            if isinstance(error, UploadTooLarge):
                raise FileTooLarge(error.message) from None
            raise

    async def _give_up(self, upload: Upload, error: BaseException) -> None:
        """End the upload with the reason. Where that fails too, the sweep ends it."""
        ender = self._steps.ender
        with contextlib.suppress(CinelogError, OSError):
            match error:
                case ClientGone() | Stalled() | UploadLost():
                    await ender.abort(upload, error.message)
                case Unavailable():
                    await ender.abort(upload, "The storage did not answer.")
                case CinelogError():
                    await ender.reject(upload, error)
                case asyncio.CancelledError():
                    await ender.abort(upload, "The service was restarted.")
                case _:
                    await ender.abort(upload, "Something went wrong on our side.")

    async def _compare(self, earlier: Upload, parser: FormParser, body: Body) -> Upload:
        """``earlier``, if this request is the same. Raises KeyReused."""
        form = _Form()
        digest, size = hashlib.sha256(), 0
        async with aclosing(_events(parser, body)) as events:
            async for event in events:
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
                            raise KeyReused
        # What says no visibility has the one that the account's default was then.
        given = form.details()
        given = msgspec.structs.replace(
            given, visibility=given.visibility or earlier.details.visibility
        )
        sent = (given, size, digest.hexdigest())
        if sent != (earlier.details, earlier.received, earlier.sha256):
            raise KeyReused
        return earlier


class _Form:
    """The fields that have arrived so far."""

    def __init__(self) -> None:
        self._fields: list[tuple[str, str]] = []
        self.filename = ""

    def add(self, field: Field) -> None:
        """Raises UnknownField."""
        if field.name not in _FIELDS:
            raise UnknownField(field.name)
        self._fields.append((field.name, field.value))

    def details(self, *, partial: bool = False) -> Details:
        """``partial``: fields may still follow, but a wrong one is refused now.

        Raises InvalidDetails.
        """
        fields = [*self._fields, ("filename", self.filename)]
        return check_details(parse_details(fields), partial=partial)


class _Reception:
    """One form on its way to the bucket. ``upload`` is None until the file begins."""

    def __init__(self, steps: UploadSteps, user_id: str, key: str | None, body: Body) -> None:
        self._steps = steps
        self._user_id = user_id
        self._key = key
        self._body = body
        self._form = _Form()
        # A video may be long on its way: the time to publish it counts from here.
        self._asked_at = datetime.now(UTC)
        self._writer: Writer | None = None
        self.upload: Upload | None = None

    async def accept(self, event: FormEvent, stack: AsyncExitStack) -> None:
        """The writer that the file's beginning opens is closed with ``stack``."""
        match event:
            case Field():
                self._form.add(event)
            case FileStarted():
                self._form.filename = event.filename
                self.upload = await self._start(self._form.details(partial=True))
                self._writer = await stack.enter_async_context(
                    self._steps.writers.writing(self.upload, self._body)
                )
            case FileEnded():
                pass
            case bytes():
                assert self._writer is not None
                await self._writer.write(event)

    async def finish(self) -> Upload:
        """The upload, whose bytes are all stored. Raises InvalidDetails, MalformedForm."""
        details = await self._steps.starter.with_visibility(
            self._user_id, self._form.details(), self._asked_at
        )
        if self._writer is None or self.upload is None:
            raise MalformedForm(f"The file is missing: send it as {FILE_FIELD}.")
        await self._writer.finish()
        await self._steps.completer.begin(
            self.upload,
            sha256=self._writer.sha256,
            content_type=self._writer.content_type,
            details=details,
        )
        return self.upload

    async def _start(self, details: Details) -> Upload:
        if details.shown is not None:
            with_visibility(details, details.shown, self._asked_at)
        upload = self._steps.starter.new_upload(
            self._user_id, "multipart", details, idempotency_key=self._key
        )
        await self._steps.starter.start(upload)
        return upload


async def _events(parser: FormParser, body: Body) -> AsyncGenerator[FormEvent]:
    """The events of a whole form. Raises MalformedForm, and what reading ``body`` raises."""
    async for chunk in body:
        for event in parser.feed(chunk):
            yield event
    parser.finish()
