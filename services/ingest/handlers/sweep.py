"""What nobody else will finish: uploads left behind, objects that no upload owns.

Every step may be repeated, and done by two processes at once.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from services.ingest.handlers.lifecycle import Lifecycle
from services.ingest.handlers.writer import TAILS
from services.ingest.ports import Upload
from shared.errors import CinelogError, Conflict
from shared.reconciliation import Finding
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

    async def reconcile(self, dry_run: bool) -> list[Finding]:
        """What a round would do, and what is nobody's; done at once unless ``dry_run``."""
        found = [
            Finding(action="settle", subject=upload.id, detail=f"left behind while {upload.phase}")
            for upload in await self._lifecycle.records.due(_BATCH)
        ]
        found += [
            Finding(action="remove", subject=key, detail="its video is deleted")
            for key in await self._lifecycle.records.doomed(_BATCH)
        ]
        if not dry_run:
            await self.round()
        found += await self.orphans(dry_run=dry_run)
        for finding in found:
            _log.info("reconciled", dry_run=dry_run, **msgspec.structs.asdict(finding))
        return found

    async def orphans(self, *, dry_run: bool = False) -> list[Finding]:
        """Abort multipart uploads and delete objects that no upload owns."""
        sources = self._lifecycle.sources
        before = datetime.now(UTC) - self._orphan_age
        known = await self._lifecycle.records.known_multiparts()
        found: list[Finding] = []
        async for part in sources.unfinished():
            if part.started_at < before and part.upload_id not in known:
                found.append(
                    Finding(action="abort", subject=part.key, detail="no upload has these parts")
                )
                if not dry_run:
                    await sources.abort_multipart(part.key, part.upload_id)
        tails: list[str] = []
        async for blob in sources.list():
            if blob.modified_at >= before:
                continue
            if blob.key.startswith(TAILS):
                tails.append(blob.key)
            elif not await self._lifecycle.owns(blob.key):
                found.append(await self._drop(blob.key, dry_run=dry_run))
            if len(tails) == _BATCH:
                found += await self._drop_tails(tails, dry_run=dry_run)
                tails.clear()
        return found + await self._drop_tails(tails, dry_run=dry_run)

    async def _drop_tails(self, keys: list[str], *, dry_run: bool) -> list[Finding]:
        if not keys:
            return []
        orphans = set(keys) - await self._lifecycle.records.known_tails(keys)
        return [await self._drop(key, dry_run=dry_run) for key in sorted(orphans)]

    async def _drop(self, key: str, *, dry_run: bool) -> Finding:
        if not dry_run:
            await self._lifecycle.sources.delete(key)
        return Finding(action="remove", subject=key, detail="no upload owns this object")

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
