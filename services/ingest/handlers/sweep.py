"""Uploads that their process or client left behind, and objects that belong to no upload.

Every step may be repeated, and done by two processes in parallel.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

import msgspec

from services.ingest.domain import UploadClosed, source_key
from services.ingest.handlers.steps import UploadSteps
from services.ingest.handlers.upload_events import UploadEvents
from services.ingest.handlers.upload_finisher import ENDED
from services.ingest.handlers.writer import TAILS
from services.ingest.ports import (
    DeletedSources,
    SourceStore,
    SweptUploads,
    Upload,
)
from shared.errors import CinelogError, Conflict
from shared.event_store.store import UnreadableStream
from shared.loops.cancellation import check_cancelled
from shared.loops.items import ItemMetrics, Items
from shared.reconciliation import Finding
from shared.telemetry import get_logger

_log = get_logger(__name__)

_BATCH: Final = 100
# An object's row is written a moment after the object: a young object is no orphan.
_ORPHAN_AGE: Final = timedelta(hours=1)
# Between listing a source that nothing refers to and deleting it.
_DELETION_DELAY: Final = timedelta(hours=24)
# How long after it could have expired an upload is tried whose bytes are all stored: longer than
# an outage should last. Its last byte came before that, however long ago the upload was begun.
_PATIENCE: Final = timedelta(days=3)


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """How many uploads and objects one round settled."""

    finished: int = 0
    expired: int = 0
    removed: int = 0
    failed: int = 0


class SweepTable(SweptUploads, DeletedSources, Protocol):
    """The tables, as far as the sweep needs them."""


class Sweep:
    """Call ``round`` regularly. Each settled upload is reported to ``advanced``."""

    def __init__(
        self,
        steps: UploadSteps,
        events: UploadEvents,
        table: SweepTable,
        sources: SourceStore,
        *,
        metrics: ItemMetrics,
        orphan_age: timedelta = _ORPHAN_AGE,
        deletion_delay: timedelta = _DELETION_DELAY,
        advanced: Callable[[], None] = lambda: None,
    ) -> None:
        self._steps = steps
        self._events = events
        self._table = table
        self._sources = sources
        self._deleting = Items("delete sources", metrics)
        self._removing = Items("remove orphans", metrics)
        self._orphan_age = orphan_age
        self._deletion_delay = deletion_delay
        self._advanced = advanced

    async def round(self) -> Swept:
        """Settle every upload that is due and delete the sources whose time has come."""
        counts = {"finished": 0, "expired": 0, "removed": 0, "failed": 0}
        for upload in await self._table.due(_BATCH):
            try:
                counts[await self._settle(upload)] += 1
            except Exception as error:
                check_cancelled()
                counts["failed"] += 1
                _log.warning("upload not settled", upload=upload.id, reason=repr(error))
                await self._table.postpone(upload.id)
            self._advanced()
        counts["removed"] += await self.delete_sources()
        await self._table.forget_deleted()
        return Swept(**counts)

    async def delete_sources(self) -> int:
        """Delete the source objects that are listed and due; returns how many entries are done.

        The log is asked again before each: a source that is still somebody's stays.
        """
        count = 0
        while keys := await self._table.pending_deletion(_BATCH, self._deleting.waiting):
            done: list[str] = []

            async def delete(key: str, done: list[str] = done) -> None:
                if await self._may_be_deleted(key):
                    await self._sources.delete(key)
                else:
                    _log.warning("deletion withdrawn", key=key)
                done.append(key)
                self._advanced()

            await self._deleting.each(keys, str, delete)
            await self._table.deleted(done)
            count += len(done)
            if not done:
                # The next round takes others: these wait by then.
                break
        return count

    async def _may_be_deleted(self, key: str) -> bool:
        """Whether the video is deleted, or no upload and no video has the object."""
        if await self._events.deleted([key.partition("/")[0]]):
            return True
        owner = (await self._owned([key])).get(key, False)
        if isinstance(owner, UnreadableStream):
            raise owner
        return not owner

    async def reconcile(self, dry_run: bool) -> list[Finding]:
        """Run a round and remove orphans; with ``dry_run`` only report what that would do."""
        found = [
            Finding(action="settle", subject=upload.id, detail=f"left behind while {upload.phase}")
            for upload in await self._table.due(_BATCH)
        ]
        found += [
            Finding(action="remove", subject=key, detail="it was listed, and its time has come")
            for key in await self._table.pending_deletion(_BATCH, ())
        ]
        if not dry_run:
            await self.round()
        found += await self.orphans(dry_run=dry_run)
        for finding in found:
            _log.info("reconciled", dry_run=dry_run, **msgspec.structs.asdict(finding))
        return found

    async def orphans(self, *, dry_run: bool = False) -> list[Finding]:
        """Abort multipart uploads and delete tails that no upload owns; list such sources."""
        before = await self._table.now() - self._orphan_age
        known = await self._table.known_multiparts()
        stray = [
            part
            async for part in self._sources.unfinished()
            if part.started_at < before and part.upload_id not in known
        ]
        found = [
            Finding(action="abort", subject=part.key, detail="no upload has these parts")
            for part in stray
        ]
        if not dry_run:
            await self._removing.each(
                stray,
                lambda part: part.upload_id,
                lambda part: self._sources.abort_multipart(part.key, part.upload_id),
            )
        tails: list[str] = []
        sources: list[str] = []
        async for blob in self._sources.list():
            if blob.modified_at >= before:
                continue
            (tails if blob.key.startswith(TAILS) else sources).append(blob.key)
            if len(tails) == _BATCH:
                found += await self._drop_tails(tails, dry_run=dry_run)
                tails.clear()
            if len(sources) == _BATCH:
                found += await self._drop_sources(sources, dry_run=dry_run)
                sources.clear()
        found += await self._drop_tails(tails, dry_run=dry_run)
        return found + await self._drop_sources(sources, dry_run=dry_run)

    async def _drop_sources(self, keys: list[str], *, dry_run: bool) -> list[Finding]:
        """The findings about these objects; that a stream cannot be read is one."""
        owned = await self._owned(keys)
        found: list[Finding] = []
        unused: list[str] = []
        for key in keys:
            owner = owned.get(key, False)
            if isinstance(owner, UnreadableStream):
                found.append(Finding(action="unreadable", subject=key, detail=owner.message))
            elif not owner:
                unused.append(key)
        return found + [_unowned(key) for key in await self._list(unused, dry_run=dry_run)]

    async def _list(self, keys: list[str], *, dry_run: bool) -> list[str]:
        """List objects for deletion; returns those that were not listed yet."""
        if dry_run:
            listed = await self._table.listed(keys) if keys else set[str]()
            return [key for key in keys if key not in listed]
        return await self._table.list_unused(keys, self._deletion_delay)

    async def _drop_tails(self, keys: list[str], *, dry_run: bool) -> list[Finding]:
        if not keys:
            return []
        orphans = set(keys) - await self._table.known_tails(keys)
        if not dry_run:
            await self._removing.each(sorted(orphans), str, self._sources.delete)
        return [_unowned(key) for key in sorted(orphans)]

    async def _owned(self, keys: list[str]) -> dict[str, bool | UnreadableStream]:
        """Whether each object belongs to an upload in the table, or to a video in the log."""
        ids = [key.partition("/")[0] for key in keys]
        ids = [each for each, key in zip(ids, keys, strict=True) if key == source_key(each)]
        ids = [each for each in ids if _is_id(each)]
        # An upload leaves the table after it is in the log, so the table is asked first.
        known = await self._table.known_uploads(ids) if ids else set[str]()
        rest = [each for each in ids if each not in known]
        logged = await self._events.uploaded(rest) if rest else {}
        return {source_key(each): logged.get(each, True) for each in ids}

    async def _settle(self, upload: Upload) -> str:
        try:
            return await self._end(upload)
        except UploadClosed:
            # It is a video in the log, newer than the table, and its row is gone now.
            return "removed"

    async def _end(self, upload: Upload) -> str:
        match upload.phase:
            case "open" if upload.whole:
                return await self._finish(upload)
            case "open":
                await self._steps.ender.expire(upload)
                return "expired"
            case "completing":
                return await self._complete(upload)
            case "ending":
                await self._steps.ender.finish(upload)
                return "removed"
            case "completed":
                if upload.partial:
                    await self._steps.ender.remove(upload)
                else:
                    await self._steps.ender.remove_row(upload)
                return "removed"

    async def _finish(self, upload: Upload) -> str:
        try:
            await self._steps.finisher.finish(upload.id)
        except ENDED:
            return "removed"
        except (CinelogError, OSError):
            if _is_tried(upload):
                raise
            await self._steps.ender.expire(await self._steps.writers.acquire(upload.id))
            return "expired"
        return "finished"

    async def _complete(self, upload: Upload) -> str:
        try:
            await self._steps.completer.complete(upload.id)
        except Conflict:
            # In the log this upload has ended otherwise, so its object belongs to no video.
            await self._steps.ender.remove(upload)
            return "removed"
        except UnreadableStream:
            # However long an upgrade takes: the bytes may be acknowledged.
            raise
        except (CinelogError, OSError):
            if _is_tried(upload):
                raise
            await self._steps.ender.give_up(upload)
            return "removed"
        return "finished"


def _is_tried(upload: Upload) -> bool:
    return max(upload.created_at, upload.expires_at) > upload.read_at - _PATIENCE


def _unowned(key: str) -> Finding:
    return Finding(action="remove", subject=key, detail="no upload owns this object")


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
