"""What is left of an upload whose bytes all count, where the request that brought the last ones
ended before it could say so: its connection or process died, or the database was away."""

from collections.abc import AsyncIterator
from typing import Final

from services.ingest.domain import NotAVideo
from services.ingest.handlers.upload_completer import UploadCompleter
from services.ingest.handlers.upload_ender import UploadEnder
from services.ingest.handlers.upload_writers import UploadWriters
from services.ingest.ports import Body, Upload
from services.ingest.quotas import QuotaExceeded
from shared.errors import Unauthenticated

ENDED: Final = (NotAVideo, QuotaExceeded, Unauthenticated)
"""What ``finish`` raises where the upload has ended without becoming a video."""


class UploadFinisher:
    """Does what a request without bytes at the end of an upload would do."""

    def __init__(
        self, writers: UploadWriters, completer: UploadCompleter, ender: UploadEnder
    ) -> None:
        self._writers = writers
        self._completer = completer
        self._ender = ender

    async def finish(self, upload_id: str) -> Upload:
        """Complete an open upload that is whole. Safe to repeat.

        Raises UploadLost where another request has taken it over or completes it, one of ``ENDED``,
        and what the storage raises.
        """
        upload = await self._writers.acquire(upload_id)
        nothing: Body = _NoBytes()
        try:
            async with self._writers.writing(upload, nothing) as writer:
                await writer.finish()
                await self._completer.begin(
                    upload, sha256=writer.sha256, content_type=writer.content_type
                )
        except (NotAVideo, QuotaExceeded) as error:
            await self._ender.reject(upload, error)
            raise
        except Unauthenticated:
            # The account was deleted meanwhile.
            await self._ender.expire(upload)
            raise
        return await self._completer.complete(upload_id)


class _NoBytes:
    """Implements ``Body``: nobody sends anything."""

    length = 0
    address = None
    slow = False

    def interrupt(self) -> None:
        """There is nothing to wait for."""

    def displace(self) -> None:
        """It holds no address's place."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for nothing in ():
            yield nothing
