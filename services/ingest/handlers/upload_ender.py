"""How an upload ends without becoming a video: its event is appended, its objects are deleted."""

from services.ingest.domain import Abort, Command, Expire, Reject, UploadClosed
from services.ingest.handlers.upload_completer import IncompleteObject
from services.ingest.handlers.upload_events import UploadEvents
from services.ingest.handlers.writer import TAILS
from services.ingest.ports import SourceStore, Upload, UploadEnding
from shared.errors import CinelogError


class UploadEnder:
    """Ends uploads and removes what they leave."""

    def __init__(self, uploads: UploadEnding, sources: SourceStore, events: UploadEvents) -> None:
        self._uploads = uploads
        self._sources = sources
        self._events = events

    async def abort(self, upload: Upload, reason: str) -> bool:
        """End an open upload because of its client. Whether this call did it.

        This and the next two raise what ``finish`` does.
        """
        return await self._end(
            upload, Abort(video_id=upload.id, user_id=upload.user_id, reason=reason)
        )

    async def reject(self, upload: Upload, error: CinelogError) -> bool:
        """End an open upload because of what was sent. Whether this call did it."""
        return await self._end(upload, _rejection(upload, error))

    async def expire(self, upload: Upload) -> bool:
        """End an open upload whose client did not go on. Whether this call did it."""
        return await self._end(upload, Expire(video_id=upload.id, user_id=upload.user_id))

    async def give_up(self, upload: Upload) -> None:
        """End an upload in ``completing`` whose parts cannot be joined any more."""
        if await self._uploads.give_up_completing(upload.id):
            lost = IncompleteObject("The bytes that were stored could not be put together.")
            await self.finish(upload, _rejection(upload, lost))

    async def finish(self, upload: Upload, command: Command | None = None) -> None:
        """Append the event of an upload in ``ending`` and remove what is left of it.

        Without ``command`` the upload expires: the process that knew the reason died. Raises
        UploadClosed where it is a video in the log; then its row is gone and the object stays.
        """
        if not upload.partial:
            final = command or Expire(video_id=upload.id, user_id=upload.user_id)
            try:
                await self._events.decide(upload, final)
            except UploadClosed:
                # The table is older than the log, as after a restore.
                await self._remove_parts(upload)
                await self.remove_row(upload)
                raise
        await self.remove(upload)

    async def remove(self, upload: Upload) -> None:
        """Remove an upload's parts, objects and row."""
        await self._remove_parts(upload)
        await self._delete_below(f"{upload.id}/")
        await self.remove_row(upload)

    async def remove_row(self, upload: Upload) -> None:
        """Remove the row of an upload whose object belongs to a video."""
        await self._uploads.remove(upload.id)

    async def _remove_parts(self, upload: Upload) -> None:
        if upload.multipart_id is not None:
            await self._sources.abort_multipart(upload.key, upload.multipart_id)
        await self._delete_below(f"{TAILS}{upload.id}/")

    async def _delete_below(self, prefix: str) -> None:
        async for blob in self._sources.list(prefix):
            await self._sources.delete(blob.key)

    async def _end(self, upload: Upload, command: Command) -> bool:
        if not await self._uploads.begin_ending(upload.id, upload.epoch):
            return False
        # The row may hold more than ``upload`` does, such as a multipart id.
        await self.finish(await self._uploads.get(upload.id), command)
        return True


def _rejection(upload: Upload, error: CinelogError) -> Reject:
    return Reject(video_id=upload.id, user_id=upload.user_id, code=error.code, reason=error.message)
