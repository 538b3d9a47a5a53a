"""What nobody else will finish: uploads left behind, objects that no upload owns.

One process at a time does this (its caller holds the lock); every step may be repeated.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from services.ingest.handlers.lifecycle import Lifecycle
from services.ingest.handlers.writer import TAILS
from services.ingest.ports import Upload
from shared.errors import CinelogError, Conflict
from shared.telemetry import get_logger

_log = get_logger(__name__)

_BATCH: Final = 100
# A multipart upload is begun a moment before its id is recorded: young ones are nobody's orphans.
_ORPHAN_AGE: Final = timedelta(hours=1)
# How long the parts of a complete upload are tried to be joined: longer than any outage should be.
_PATIENCE: Final = timedelta(days=3)


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """What one round did."""

    finished: int = 0
    expired: int = 0
    removed: int = 0
    orphans: int = 0
    failed: int = 0


class Sweep:
    """Run a round now and then."""

    def __init__(self, lifecycle: Lifecycle, *, orphan_age: timedelta = _ORPHAN_AGE) -> None:
        self._lifecycle = lifecycle
        self._orphan_age = orphan_age

    async def round(self) -> Swept:
        """Settle every upload that is due and delete the sources of deleted videos."""
        counts = {"finished": 0, "expired": 0, "removed": 0, "failed": 0}
        for upload in await self._lifecycle.records.due(_BATCH):
            try:
                counts[await self._settle(upload)] += 1
            except (CinelogError, OSError) as error:
                counts["failed"] += 1
                _log.warning("upload not settled", upload=upload.id, reason=repr(error))
                await self._lifecycle.records.postpone(upload.id)
        counts["removed"] += await self.bury()
        return Swept(**counts)

    async def bury(self) -> int:
        """Delete the source objects of deleted videos; returns how many."""
        count = 0
        while keys := await self._lifecycle.records.doomed(_BATCH):
            for key in keys:
                await self._lifecycle.sources.delete(key)
            await self._lifecycle.records.buried(keys)
            count += len(keys)
        return count

    async def orphans(self) -> int:
        """Abort multipart uploads and delete tails that no upload owns; returns how many."""
        sources, records = self._lifecycle.sources, self._lifecycle.records
        before = datetime.now(UTC) - self._orphan_age
        known = await records.known_multiparts()
        count = 0
        async for found in sources.unfinished():
            if found.started_at < before and found.upload_id not in known:
                await sources.abort_multipart(found.key, found.upload_id)
                count += 1
        tails: list[str] = []
        async for blob in sources.list(TAILS):
            if blob.modified_at < before:
                tails.append(blob.key)
            if len(tails) == _BATCH:
                count += await self._drop_tails(tails)
                tails.clear()
        count += await self._drop_tails(tails)
        if count:
            _log.info("orphans removed", count=count)
        return count

    async def _drop_tails(self, keys: list[str]) -> int:
        if not keys:
            return 0
        orphans = set(keys) - await self._lifecycle.records.known_tails(keys)
        for key in orphans:
            await self._lifecycle.sources.delete(key)
        return len(orphans)

    async def _settle(self, upload: Upload) -> str:
        match upload.phase:
            case "open":
                await self._lifecycle.expire(upload)
                return "expired"
            case "completing":
                try:
                    await self._lifecycle.complete(upload.id)
                except Conflict:
                    # The log has ended this upload otherwise: its object is nobody's.
                    await self._lifecycle.remove(upload)
                    return "removed"
                except (CinelogError, OSError):
                    if upload.created_at > datetime.now(UTC) - _PATIENCE:
                        raise
                    await self._lifecycle.give_up(upload)
                    return "removed"
                return "finished"
            case "ending":
                await self._lifecycle.finish_ending(upload)
                return "removed"
            case "completed":
                if upload.partial:
                    await self._lifecycle.remove(upload)
                else:
                    await self._lifecycle.records.remove(upload.id)
                return "removed"
