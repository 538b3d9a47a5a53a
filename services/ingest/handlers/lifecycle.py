"""How every upload begins and ends, whatever protocol brought its bytes.

The order of the steps is what makes them safe to repeat: first the row says what will happen, then
the bucket follows, then the log, then the row says that it has happened. A process that dies in
between leaves a row that the next request or the sweep takes up where it stopped.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from services.ingest import domain
from services.ingest.details import Details
from services.ingest.domain import (
    Abort,
    Command,
    Complete,
    Expire,
    Reject,
    Start,
    source_key,
)
from services.ingest.handlers.writer import TAILS, Writer
from services.ingest.ports import Body, Observer, SourceStore, Upload, UploadLost, UploadRecords
from shared.contracts import UploadProtocol, UploadStarted, new_id, stream_id
from shared.errors import CinelogError, Conflict, NotFound, Unavailable
from shared.event_store.decider import Decider, execute, load
from shared.event_store.store import EventStore, Metadata
from shared.telemetry import current_traceparent, get_logger

_log = get_logger(__name__)

DECIDER: Final = Decider(domain.initial, domain.decide, domain.evolve)
_FALLBACK_TYPE: Final = "application/octet-stream"
# How long a writer that was asked to let go may take to store what it has. After that it is
# believed to be dead, and what it still does no longer counts.
_RELEASE_SECONDS: Final = 2.0
_RELEASE_POLL_SECONDS: Final = 0.05


class TooManyUploads(Unavailable):
    """This process receives as many uploads as its memory allows."""

    code = "too_many_uploads"


class IncompleteObject(Unavailable):
    """The bucket does not hold the object that its parts should have made."""

    code = "incomplete_object"


class KeyReused(Conflict):
    """The idempotency key was used for something else."""

    code = "idempotency_key_reused"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """``max_bytes`` of one upload, ``at_once`` uploads in one process; lifetimes in seconds."""

    max_bytes: int
    at_once: int
    form_lifetime: float = 120.0
    resumable_lifetime: float = 24 * 3600.0


class Lifecycle:
    """Begins, finishes and ends uploads."""

    def __init__(
        self,
        store: EventStore,
        records: UploadRecords,
        sources: SourceStore,
        *,
        limits: Limits,
        observer: Observer,
    ) -> None:
        self.records = records
        self.sources = sources
        self.limits = limits
        self._store = store
        self._observer = observer
        self._receiving = 0
        self._held: dict[str, Callable[[], None]] = {}

    @contextmanager
    def slot(self) -> Iterator[None]:
        """One of the uploads that this process receives at once. Raises TooManyUploads."""
        if self._receiving >= self.limits.at_once:
            raise TooManyUploads("Too many uploads at once. Try again soon.", retry_after=5)
        self._receiving += 1
        try:
            yield
        finally:
            self._receiving -= 1

    @property
    def receiving(self) -> int:
        """How many uploads this process receives now."""
        return self._receiving

    def draft(
        self,
        user_id: str,
        protocol: UploadProtocol,
        details: Details,
        *,
        idempotency_key: str | None = None,
    ) -> Upload:
        """A new upload, not recorded yet."""
        video_id = new_id()
        now = datetime.now(UTC)
        form = protocol == "multipart"
        seconds = self.limits.form_lifetime if form else self.limits.resumable_lifetime
        return Upload(
            id=video_id,
            user_id=user_id,
            protocol=protocol,
            phase="open",
            key=source_key(video_id),
            details=details,
            # A form is written by the request that begins it.
            held=form,
            idempotency_key=idempotency_key,
            created_at=now,
            updated_at=now,
            expires_at=now + timedelta(seconds=seconds),
        )

    async def start(self, upload: Upload) -> None:
        """Record a new upload. Raises KeyInUse."""
        await self.records.create(upload)
        await self.say_started(upload)

    async def say_started(self, upload: Upload) -> None:
        """UploadStarted, unless the log has it: a creation may have died before it got there."""
        if upload.partial:
            return
        start = Start(
            video_id=upload.id,
            user_id=upload.user_id,
            protocol=upload.protocol,
            details=upload.details,
            size=upload.length,
        )
        await self._execute(upload, start)

    @asynccontextmanager
    async def writing(
        self, upload: Upload, body: Body, *, hold_back: bool = False
    ) -> AsyncIterator[Writer]:
        """Write to an acquired upload; whoever asks for it meanwhile interrupts ``body``.

        Lets go of the upload at the end, unless it is completing or ending by then.
        """
        form = upload.protocol == "multipart"
        writer = Writer(
            self.records,
            self.sources,
            upload,
            max_bytes=self.limits.max_bytes,
            lifetime=self.limits.form_lifetime if form else self.limits.resumable_lifetime,
            observer=self._observer,
            hold_back=hold_back,
        )
        self._held[upload.id] = body.interrupt
        try:
            await writer.open()
            yield writer
        finally:
            if self._held.get(upload.id) == body.interrupt:
                del self._held[upload.id]
            await writer.discard()
            with contextlib.suppress(CinelogError):
                await asyncio.shield(
                    self.records.release(upload.id, upload.epoch, clean=writer.clean)
                )

    async def acquire(self, upload_id: str) -> Upload:
        """Become the writer; one that is still there gets the time to store what it has.

        Raises UploadNotFound, or UploadLost where the upload is not open.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _RELEASE_SECONDS
        asked = False
        while (await self.records.get(upload_id)).held and loop.time() < deadline:
            if not asked:
                await self.records.request_release(upload_id)
                asked = True
            await asyncio.sleep(_RELEASE_POLL_SECONDS)
        return await self.records.acquire(upload_id)

    async def yield_wanted(self) -> None:
        """Interrupt the bodies of those uploads here that somebody else has asked for."""
        if not self._held:
            return
        for upload_id in await self.records.released_on_request(list(self._held)):
            interrupt = self._held.get(upload_id)
            if interrupt is not None:
                interrupt()

    async def owns(self, key: str) -> bool:
        """Whether an object belongs to an upload that is under way, or to a video."""
        video_id = key.partition("/")[0]
        if key != source_key(video_id) or not _is_id(video_id):
            return False
        try:
            await self.records.get(video_id)
        except NotFound:
            state, _ = await load(self._store, stream_id("upload", video_id), DECIDER)
            return state.status == "uploaded"
        return True

    async def complete(self, upload_id: str) -> Upload:
        """Join the parts, append VideoUploaded; safe to repeat, and to do twice at once.

        Raises UploadLost where the upload is not on its way to completion.
        """
        upload = await self.records.get(upload_id)
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
            await self._execute(upload, complete)
        await self.records.completed(upload.id)
        return msgspec.structs.replace(upload, phase="completed")

    async def abort(self, upload: Upload, reason: str) -> bool:
        """End an open upload because of its client. Whether this call did it."""
        return await self._end(
            upload, Abort(video_id=upload.id, user_id=upload.user_id, reason=reason)
        )

    async def reject(self, upload: Upload, error: CinelogError) -> bool:
        """End an open upload because of what was sent. Whether this call did it."""
        return await self._end(
            upload,
            Reject(
                video_id=upload.id, user_id=upload.user_id, code=error.code, reason=error.message
            ),
        )

    async def expire(self, upload: Upload) -> bool:
        """End an open upload that nobody goes on with. Whether this call did it."""
        return await self._end(upload, Expire(video_id=upload.id, user_id=upload.user_id))

    async def give_up(self, upload: Upload) -> None:
        """End an upload whose bytes cannot be put together any more."""
        if await self.records.give_up_completing(upload.id):
            lost = IncompleteObject("The bytes that were stored could not be put together.")
            await self.finish_ending(
                upload,
                Reject(
                    video_id=upload.id,
                    user_id=upload.user_id,
                    code=lost.code,
                    reason=lost.message,
                ),
            )

    async def finish_ending(self, upload: Upload, command: Command | None = None) -> None:
        """Say so in the log and remove all that is left of an upload in ``ending``."""
        if not upload.partial:
            final = command or Expire(video_id=upload.id, user_id=upload.user_id)
            await self._execute(upload, final)
        await self.remove(upload)

    async def remove(self, upload: Upload) -> None:
        """Remove an upload's parts, objects and row."""
        if upload.multipart_id is not None:
            await self.sources.abort_multipart(upload.key, upload.multipart_id)
        for prefix in (f"{upload.id}/", f"{TAILS}{upload.id}/"):
            async for blob in self.sources.list(prefix):
                await self.sources.delete(blob.key)
        await self.records.remove(upload.id)

    async def _end(self, upload: Upload, command: Command) -> bool:
        if not await self.records.begin_ending(upload.id, upload.epoch):
            return False
        # The row may know more by now than ``upload`` does: its multipart id above all.
        await self.finish_ending(await self.records.get(upload.id), command)
        return True

    async def _join(self, upload: Upload) -> None:
        if upload.multipart_id is None:
            raise IncompleteObject("The upload has no parts.")
        parts = await self.records.parts(upload.id)
        try:
            await self.sources.complete_multipart(upload.key, upload.multipart_id, parts)
        except (NotFound, Unavailable):
            # Joined before, and what went wrong was only the answer or the next step?
            if await self._size(upload.key) != upload.received:
                raise
        if await self._size(upload.key) != upload.received:
            raise IncompleteObject("The stored upload is not whole.")

    async def _size(self, key: str) -> int | None:
        try:
            return (await self.sources.head(key)).size
        except NotFound:
            return None

    async def _execute(self, upload: Upload, command: Command) -> None:
        metadata = Metadata(
            correlation_id=upload.id, actor=upload.user_id, traceparent=current_traceparent()
        )
        outcome = await execute(
            self._store, stream_id("upload", upload.id), DECIDER, command, metadata
        )
        for event in outcome.events:
            name = type(event).__name__
            _log.info("upload", upload=upload.id, event_type=name)
            if name != UploadStarted.__name__:
                self._observer.ended(upload.protocol, name)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
