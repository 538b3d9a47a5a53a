"""How an upload begins."""

from datetime import UTC, datetime, timedelta

from services.ingest.details import Details, with_visibility
from services.ingest.domain import Start, source_key
from services.ingest.handlers.limits import Limits
from services.ingest.handlers.upload_events import UploadEvents
from services.ingest.ports import Upload, UploadCreation
from shared.contracts import UploadProtocol, new_id
from shared.event_store.changes import TooManyChanges


class UploadStarter:
    """Records new uploads in the table and in the log."""

    def __init__(self, uploads: UploadCreation, events: UploadEvents, limits: Limits) -> None:
        self._uploads = uploads
        self._events = events
        self._limits = limits

    async def with_visibility(
        self, user_id: str, details: Details, asked_at: datetime | None = None
    ) -> Details:
        """Checked details with the account's visibility where they say none.

        ``asked_at``: when the request began, by default now. Raises InvalidDetails.
        """
        default = details.shown or await self._events.default_visibility(user_id)
        return with_visibility(details, default, asked_at or datetime.now(UTC))

    def new_upload(
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
        return Upload(
            id=video_id,
            user_id=user_id,
            protocol=protocol,
            phase="open",
            key=source_key(video_id),
            details=details,
            # A form is written by the request that starts it.
            held=protocol == "multipart",
            idempotency_key=idempotency_key,
            created_at=now,
            updated_at=now,
            read_at=now,
            expires_at=now + timedelta(seconds=self._limits.lifetime(protocol)),
        )

    async def start(self, upload: Upload) -> None:
        """Record a new upload. Raises KeyInUse, QuotaExceeded, TooManyChanges."""
        await self._uploads.create(upload)
        try:
            await self.record_started(upload)
        except TooManyChanges:
            await self._uploads.remove(upload.id)
            raise

    async def record_started(self, upload: Upload) -> None:
        """Append UploadStarted unless the log has it: a process may have died before it did."""
        if upload.partial:
            return
        await self._events.decide(
            upload,
            Start(
                video_id=upload.id,
                user_id=upload.user_id,
                protocol=upload.protocol,
                details=upload.details,
                size=upload.length,
            ),
        )
