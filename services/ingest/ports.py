"""What the handlers need of the outside, by capability: a bucket and a table of uploads.

``shared.blobs.s3`` and the repositories implement these protocols.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

import msgspec

from services.ingest.details import Details
from shared.contracts import UploadProtocol
from shared.errors import Conflict, InvalidInput, NotFound, TooSlow

Phase = Literal["open", "completing", "completed", "ending"]
"""open: takes bytes. completing: all bytes are stored; their object and event are not made yet.
completed: VideoUploaded is in the log (or a partial upload is whole). ending: is being removed."""


class UploadNotFound(NotFound):
    """There is no such upload of this user. In the same words, whether another has one: ids of
    uploads are those of videos."""

    code = "upload_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such upload.")


class UploadLost(Conflict):
    """Another request has taken the upload over, or the upload has ended."""

    code = "upload_taken_over"


class ClientGone(InvalidInput):
    """The client went away before the body was whole."""

    code = "client_gone"


class Stalled(TooSlow):
    """The body stopped arriving, or arrives too slowly."""

    code = "upload_stalled"


class PartUsed(Conflict):
    """Another upload has joined a partial one."""

    code = "part_already_used"


class KeyInUse(Conflict):
    """An upload with this idempotency key exists."""

    code = "idempotency_key_in_use"


class StoredPart(Protocol):
    """A part of an S3 multipart upload; ``size`` in bytes."""

    @property
    def number(self) -> int: ...
    @property
    def etag(self) -> str: ...
    @property
    def size(self) -> int: ...


class Part(msgspec.Struct, frozen=True):
    """A part that is stored in the bucket and recorded in the table."""

    number: int
    etag: str
    size: int


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table: the state of an upload. Sizes and offsets in bytes.

    ``received`` counts the durable bytes: parts plus the tail, the last bytes that do not fill a
    part; ``tail_key`` names the objects that keep them, as ``services.ingest.tail`` says.
    ``epoch`` rises with every writer: the table refuses changes by a writer of an older epoch.
    ``read_at``: when the row was read. All its times are of the database's clock, because this
    process's may be wrong.
    """

    id: str
    user_id: str
    protocol: UploadProtocol
    phase: Phase
    key: str
    details: Details
    expires_at: datetime
    created_at: datetime
    updated_at: datetime
    read_at: datetime
    multipart_id: str | None = None
    length: int | None = None
    content_type: str | None = None
    sha256: str | None = None
    received: int = 0
    next_part: int = 1
    tail_key: str | None = None
    tail_size: int = 0
    epoch: int = 0
    held: bool = False
    partial: bool = False
    joined: tuple[str, ...] = ()
    metadata: str = ""
    idempotency_key: str | None = None
    fingerprint: str | None = None

    @property
    def whole(self) -> bool:
        """Whether every byte counts of an upload by tus: its client has nothing left to send."""
        return self.protocol == "tus" and self.received == self.length

    @property
    def expired(self) -> bool:
        """Whether its client came too late to go on, though the sweep may not have been here."""
        return self.phase == "open" and self.expires_at <= self.read_at and not self.whole


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What a writer has made durable: totals, and the parts since its last report."""

    received: int
    next_part: int
    parts: tuple[Part, ...] = ()
    tail_key: str | None = None
    tail_size: int = 0
    content_type: str | None = None


class SourceStore(Protocol):
    """The bucket of sources. All methods raise BlobStoreUnavailable where S3 does not answer."""

    async def put(self, key: str, data: bytes, content_type: str) -> str: ...
    async def read(self, key: str, start: int = 0, end: int | None = None) -> bytes: ...
    def open(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]: ...
    async def head(self, key: str) -> Any: ...
    async def delete(self, key: str) -> None: ...
    def list(self, prefix: str = "") -> AsyncIterator[Any]: ...
    async def start_multipart(self, key: str, content_type: str) -> str: ...
    async def put_part(self, key: str, upload_id: str, number: int, data: bytes) -> StoredPart: ...
    async def list_parts(self, key: str, upload_id: str) -> Sequence[StoredPart]: ...
    async def complete_multipart(self, key: str, upload_id: str, parts: Iterable[Any]) -> str: ...
    async def abort_multipart(self, key: str, upload_id: str) -> None: ...
    async def presign_part(
        self, key: str, upload_id: str, number: int, size: int, seconds: int
    ) -> str: ...
    def unfinished(self) -> AsyncIterator[Any]:
        """Multipart uploads that were begun: ``key``, ``upload_id``, ``started_at``."""
        ...


# The table of uploads, one protocol per capability. All methods raise Unavailable where the
# database does not answer.


class UploadLookup(Protocol):
    """Finds uploads."""

    async def get(self, upload_id: str) -> Upload:
        """Raises UploadNotFound."""
        ...

    async def by_key(self, user_id: str, idempotency_key: str) -> Upload | None: ...

    async def joining(self, user_id: str, part_ids: Sequence[str]) -> Upload | None:
        """An open upload that one of these partial uploads is copied into."""
        ...


class OpenUploads(Protocol):
    """The resumable uploads of an account that still take bytes."""

    async def of_account(self, user_id: str) -> list[Upload]:
        """The newest first, a bounded number of them."""
        ...

    async def describe(self, user_id: str, upload_id: str, details: Details) -> Upload:
        """Replace the details. Raises UploadNotFound, UploadClosed."""
        ...


class UploadCreation(Protocol):
    """Records new uploads."""

    async def create(self, upload: Upload) -> None:
        """Raises KeyInUse, QuotaExceeded."""
        ...

    async def remove(self, upload_id: str) -> None: ...


class UploadOwnership(Protocol):
    """Decides which writer an upload belongs to."""

    async def get(self, upload_id: str) -> Upload:
        """Raises UploadNotFound."""
        ...

    async def acquire(self, upload_id: str) -> Upload:
        """Become the writer, in a new epoch.

        Raises UploadNotFound; UploadLost if it is not open, or expired without being whole.
        """
        ...

    async def release(self, upload_id: str, epoch: int, *, clean: bool) -> None:
        """Stop being the writer; changes nothing where another writer has taken over.

        Not ``clean``: a part may still be on its way, so its number is not used again.
        """
        ...

    async def request_release(self, upload_id: str) -> None:
        """Ask the present writer, in any process, to store what it has and to release."""
        ...

    async def requested_releases(self, held: Sequence[str]) -> set[str]:
        """Those of the ``held`` uploads that another request waits for."""
        ...


class UploadProgress(Protocol):
    """Records what a writer does. All methods raise UploadLost for a writer of an older epoch."""

    async def set_multipart(self, upload_id: str, epoch: int, multipart_id: str) -> None: ...

    async def set_length(self, upload_id: str, epoch: int, length: int) -> None:
        """Raises QuotaExceeded, too."""
        ...

    async def advance(
        self, upload_id: str, epoch: int, progress: Progress, lifetime: float
    ) -> None:
        """Count what became durable; the upload expires in ``lifetime`` seconds."""
        ...

    async def touch(self, upload_id: str, epoch: int, lifetime: float) -> None:
        """The upload expires in ``lifetime`` seconds."""
        ...


class UploadCompletion(Protocol):
    """Records how far the completion of an upload has come."""

    async def get(self, upload_id: str) -> Upload:
        """Raises UploadNotFound."""
        ...

    async def parts(self, upload_id: str) -> tuple[Part, ...]:
        """The recorded parts, by number."""
        ...

    async def begin_completing(
        self,
        upload_id: str,
        epoch: int,
        details: Details | None,
        sha256: str | None,
        content_type: str | None,
    ) -> None:
        """From now on the sweep completes the upload if this process dies.

        Without ``details`` those that the row has count: they may have changed since it was read.
        Raises UploadLost, and QuotaExceeded where its length was not known before.
        """
        ...

    async def completed(self, upload_id: str) -> None: ...


class UploadEnding(Protocol):
    """Records that an upload ends, and removes its row."""

    async def get(self, upload_id: str) -> Upload:
        """Raises UploadNotFound."""
        ...

    async def begin_ending(self, upload_id: str, epoch: int | None = None) -> bool:
        """Whether the upload was open (of ``epoch``, if given) and is now ``ending``."""
        ...

    async def give_up_completing(self, upload_id: str) -> bool:
        """Whether the upload was ``completing`` and is now ``ending``."""
        ...

    async def remove(self, upload_id: str) -> None: ...


class SweptUploads(Protocol):
    """Finds uploads that were left behind, and which objects belong to uploads."""

    async def due(self, limit: int) -> list[Upload]:
        """Uploads that are expired, left in ``completing``, in ``ending`` or whole, or old."""
        ...

    async def postpone(self, upload_id: str) -> None:
        """Let other due uploads come first: this one could not be settled now."""
        ...

    async def now(self) -> datetime:
        """The database's clock: this process's may be wrong, and what is new must not look old."""
        ...

    async def known_multiparts(self) -> set[str]:
        """The multipart ids that belong to uploads."""
        ...

    async def known_uploads(self, upload_ids: Sequence[str]) -> set[str]:
        """Which of these uploads are in the table."""
        ...

    async def known_tails(self, keys: Sequence[str]) -> set[str]:
        """Which of these objects are pieces of the tails of uploads."""
        ...


class DeletedSources(Protocol):
    """The source objects that are listed for deletion."""

    async def list_unused(self, keys: Sequence[str], delay: timedelta) -> list[str]:
        """List objects that nothing refers to; returns those that were not listed yet."""
        ...

    async def listed(self, keys: Sequence[str]) -> set[str]:
        """Which of these objects are listed."""
        ...

    async def pending_deletion(self, limit: int, without: Sequence[str]) -> list[str]:
        """Keys of objects that are to be deleted now, but for those of ``without``."""
        ...

    async def deleted(self, keys: Sequence[str]) -> None:
        """These objects are deleted, or are to stay."""
        ...

    async def forget_deleted(self) -> None:
        """Count no more what is gone of deleted videos."""
        ...


class Body(Protocol):
    """A request's body as it arrives. Iterating raises ClientGone, Stalled or UploadLost.

    ``length`` is what its sender announced, in bytes; None where that is not known. ``address`` is
    the sender's; None where there is none.
    """

    @property
    def length(self) -> int | None: ...

    @property
    def address(self) -> str | None: ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    @property
    def slow(self) -> bool:
        """Whether its sender keeps the upload waiting, beyond its first seconds."""
        ...

    def interrupt(self) -> None:
        """End the iteration with UploadLost: another request goes on with this upload."""
        ...

    def displace(self) -> None:
        """End the iteration with Stalled: others need its place."""
        ...


class Metrics(Protocol):
    """Counts for operators."""

    def stored(self, size: int) -> None:
        """So many bytes became durable."""
        ...

    def ended(self, protocol: UploadProtocol, outcome: str) -> None:
        """An upload ended: ``outcome`` is the event's type."""
        ...

    def refused(self, reason: str) -> None:
        """A request found no slot: its user's, or the process's, are all taken."""
        ...
