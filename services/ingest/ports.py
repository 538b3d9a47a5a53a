"""What the handlers need of the outside: a bucket with multipart uploads, and a table of uploads.

``shared.blobs.s3`` and ``records`` answer; handlers know only these shapes.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

import msgspec

from services.ingest.details import Details
from shared.contracts import UploadProtocol
from shared.errors import Conflict, InvalidInput, NotFound

Phase = Literal["open", "completing", "completed", "ending"]
"""open: takes bytes. completing: all bytes are stored, the object and the fact are being made.
completed: VideoUploaded is in the log (or a partial upload is whole). ending: being removed."""


class UploadNotFound(NotFound):
    """No such upload, or somebody else's."""

    code = "upload_not_found"


class UploadLost(Conflict):
    """Another request has taken this upload over, or it has ended meanwhile."""

    code = "upload_taken_over"


class ClientGone(InvalidInput):
    """The client went away before the body was whole."""

    code = "client_gone"


class Stalled(InvalidInput):
    """No byte arrived for too long."""

    code = "upload_stalled"


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
    """A part that is durable and counted."""

    number: int
    etag: str
    size: int


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A row: where an upload stands. Sizes and offsets in bytes.

    ``received`` is what is durable: parts plus the tail, the last bytes that do not fill a part
    and are kept as an object of their own. ``epoch`` rises with every writer: what a writer of an
    older epoch still does no longer counts.
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


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What a writer has made durable since it last said so."""

    received: int
    next_part: int
    parts: tuple[Part, ...] = ()
    tail_key: str | None = None
    tail_size: int = 0
    content_type: str | None = None


class SourceStore(Protocol):
    """The bucket of sources. All raise BlobStoreUnavailable where S3 does not answer."""

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
    async def presign_part(self, key: str, upload_id: str, number: int, seconds: int) -> str: ...
    def unfinished(self) -> AsyncIterator[Any]:
        """Multipart uploads that were begun: ``key``, ``upload_id``, ``started_at``."""
        ...


class UploadRecords(Protocol):
    """The table of uploads. All raise Unavailable where the database does not answer."""

    async def create(self, upload: Upload) -> None:
        """Raises KeyInUse."""
        ...

    async def get(self, upload_id: str) -> Upload:
        """Raises UploadNotFound."""
        ...

    async def by_key(self, user_id: str, idempotency_key: str) -> Upload | None: ...

    async def parts(self, upload_id: str) -> tuple[Part, ...]:
        """The counted parts, by number."""
        ...

    async def request_release(self, upload_id: str) -> None:
        """Ask whoever is writing, in whichever process, to store what it has and let go."""
        ...

    async def acquire(self, upload_id: str) -> Upload:
        """Become the writer: a new epoch. Raises UploadNotFound, UploadLost if it is not open."""
        ...

    async def set_multipart(self, upload_id: str, epoch: int, multipart_id: str) -> None:
        """Raises UploadLost."""
        ...

    async def set_length(self, upload_id: str, epoch: int, length: int) -> None:
        """Raises UploadLost."""
        ...

    async def advance(
        self, upload_id: str, epoch: int, progress: Progress, lifetime: float
    ) -> None:
        """Count what became durable; the upload lives ``lifetime`` seconds more.

        Raises UploadLost."""
        ...

    async def touch(self, upload_id: str, epoch: int, lifetime: float) -> None:
        """The upload lives ``lifetime`` seconds more. Raises UploadLost."""
        ...

    async def release(self, upload_id: str, epoch: int, *, clean: bool) -> None:
        """Let go; harmless where somebody else holds it.

        Not ``clean``: a part may still be on its way, so its number is not used again."""
        ...

    async def begin_completing(
        self,
        upload_id: str,
        epoch: int,
        details: Details,
        sha256: str | None,
        content_type: str | None,
    ) -> None:
        """From here on the upload will be finished, whoever dies. Raises UploadLost."""
        ...

    async def completed(self, upload_id: str) -> None: ...

    async def give_up_completing(self, upload_id: str) -> bool:
        """Whether the upload was ``completing`` and is now ``ending``."""
        ...

    async def begin_ending(self, upload_id: str, epoch: int | None = None) -> bool:
        """Whether the upload was open (of ``epoch``, if given) and is now ``ending``."""
        ...

    async def remove(self, upload_id: str) -> None: ...

    async def released_on_request(self, held: Sequence[str]) -> set[str]:
        """Which of the uploads that we hold somebody has asked for."""
        ...

    async def due(self, limit: int) -> list[Upload]:
        """Uploads that the sweep must look at: expired, left completing or ending, or old."""
        ...

    async def postpone(self, upload_id: str) -> None:
        """The sweep could not settle this one now: others first."""
        ...

    async def known_multiparts(self) -> set[str]:
        """The multipart ids that belong to uploads."""
        ...

    async def known_tails(self, keys: Sequence[str]) -> set[str]:
        """Which of these objects are the tails of uploads."""
        ...

    async def doomed(self, limit: int) -> list[str]:
        """Keys of objects whose video was deleted."""
        ...

    async def buried(self, keys: Sequence[str]) -> None: ...


class Body(Protocol):
    """A request's body as it arrives. Iterating raises ClientGone, Stalled or UploadLost."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def interrupt(self) -> None:
        """End the iteration with UploadLost: somebody else wants to go on with this upload."""
        ...


class Observer(Protocol):
    """Counts for operators."""

    def stored(self, size: int) -> None:
        """So many bytes became durable."""
        ...

    def ended(self, protocol: UploadProtocol, outcome: str) -> None:
        """An upload ended: ``outcome`` is the event's type."""
        ...
