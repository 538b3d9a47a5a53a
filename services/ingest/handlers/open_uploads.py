"""What an account has begun to upload: it is listed, and described until its last byte comes."""

from typing import Any

import msgspec

from services.ingest.details import Details, check_details
from services.ingest.handlers.upload_starter import UploadStarter
from services.ingest.ports import OpenUploads, Upload, UploadLookup, UploadNotFound


class OpenUploadsHandler:
    """Lists and describes uploads. What the log says of them follows at their completion."""

    def __init__(
        self, open_uploads: OpenUploads, uploads: UploadLookup, starter: UploadStarter
    ) -> None:
        self._open = open_uploads
        self._uploads = uploads
        self._starter = starter

    async def of_account(self, user_id: str) -> list[Upload]:
        """The account's open uploads, the newest first, 200 at most."""
        return await self._open.of_account(user_id)

    async def describe(self, user_id: str, upload_id: str, wanted: Details) -> Upload:
        """Replace an open upload's details, but for the file's name where ``wanted`` has none.

        Raises InvalidDetails, UploadNotFound, UploadClosed where its bytes are complete.
        """
        checked = check_details(wanted)
        upload = await self._uploads.get(upload_id)
        if upload.user_id != user_id:
            raise UploadNotFound
        changed: dict[str, Any] = {"filename": checked.filename or upload.details.filename}
        details = await self._starter.with_visibility(
            user_id, msgspec.structs.replace(checked, **changed)
        )
        return await self._open.describe(user_id, upload_id, details)
