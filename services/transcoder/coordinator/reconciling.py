"""Reconciliation: compares log, tables and bucket.

Missing and damaged media are made again, orphans are listed for deletion.

Every step can be repeated, also by two processes at once: the log records a loss only once, tasks
have unique names, and an object is listed only when it is so old that its event must be recorded.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from services.transcoder.coordinator.caption_objects import named_captions, wrong_captions
from services.transcoder.coordinator.deletion_repository import (
    DeletionRepository,
    Reason,
    is_listed,
)
from services.transcoder.coordinator.live_checks import missing_of_live
from services.transcoder.coordinator.media_objects import referenced
from services.transcoder.coordinator.missing_media import (
    expected_keys,
    expected_sizes,
    has_size,
    media_lost,
    unfinished_tasks,
)
from services.transcoder.coordinator.reconcile_repository import ReconcileRepository
from services.transcoder.domain.decisions import DECIDER
from services.transcoder.domain.state import Transcode, is_complete
from services.transcoder.handlers import is_deleted, record, state_of
from services.transcoder.jobs.jobs import JobRecord
from services.transcoder.object_keys import is_of_captions, is_of_live
from services.transcoder.projections import open_tasks
from shared.blobs.store import BlobInfo, BlobNotFound, BlobStore, BlobStoreUnavailable
from shared.contracts import stream_id
from shared.event_store.decider import fold
from shared.event_store.store import EventStore, RecordedEvent
from shared.loops.cancellation import check_cancelled
from shared.outages import is_outage
from shared.reconciliation import Finding, Part
from shared.telemetry import get_logger

_log = get_logger(__name__)

# Videos that are checked side by side.
_AT_ONCE: Final = 16
_SETTLE_SECONDS: Final = 2.0
# A part of a round ends after this time, long before whoever asked for it gives up.
_PART_SECONDS: Final = 300.0


class StoredObjects(msgspec.Struct, frozen=True):
    """The objects of one video as the bucket lists them, by key."""

    video_id: str
    objects: Mapping[str, BlobInfo]


class Reconciliation:
    """``orphan_age``: how old an object that nothing refers to must be to be listed.

    ``settle_seconds``: how long a wrong size is waited for to come right. ``part_seconds``: after
    which time a part of a round ends.
    """

    def __init__(
        self,
        repository: ReconcileRepository,
        store: EventStore,
        media: BlobStore,
        deletions: DeletionRepository,
        orphan_age: timedelta,
        *,
        settle_seconds: float = _SETTLE_SECONDS,
        part_seconds: float = _PART_SECONDS,
    ) -> None:
        self._repository = repository
        self._store = store
        self._media = media
        self._deletions = deletions
        self._orphan_age = orphan_age
        self._settle_seconds = settle_seconds
        self._part_seconds = part_seconds

    async def round(self, dry_run: bool) -> list[Finding]:
        """Check every video once; with ``dry_run`` change nothing. Returns the findings."""
        part = await self.part(dry_run)
        found = list(part.findings)
        while part.place is not None:
            part = await self.part(dry_run, part.place)
            found += part.findings
        return found

    async def part(self, dry_run: bool, after: str = "") -> Part:
        """Check the videos after an id for some time, at least a batch of them.

        A video that cannot be checked is a finding, and keeps no other from its check.
        """
        until = time.monotonic() + self._part_seconds
        found = [] if after else await self._stray_tasks(dry_run=dry_run)
        place: str | None = None
        batch: list[StoredObjects] = []
        async for held in merge_by_video(
            _by_video(self._media, after), self._repository.all_ids(after)
        ):
            if len(batch) == _AT_ONCE:
                found += await self._check_all(batch, dry_run=dry_run)
                if time.monotonic() >= until:
                    place = batch[-1].video_id
                    batch = []
                    break
                batch = []
            batch.append(held)
        found += await self._check_all(batch, dry_run=dry_run)
        for finding in found:
            _log.info("reconciled", dry_run=dry_run, **msgspec.structs.asdict(finding))
        return Part(findings=tuple(found), place=place)

    async def _check_all(self, batch: list[StoredObjects], *, dry_run: bool) -> list[Finding]:
        # Table and log are read after the listing, so that what is listed is not newer.
        jobs = await self._repository.find([held.video_id for held in batch])
        streams = await self._store.read_streams([_stream(held) for held in batch])
        checked = await asyncio.gather(
            *(
                self._check(held, jobs.get(held.video_id), streams[_stream(held)], dry_run=dry_run)
                for held in batch
            ),
            return_exceptions=True,
        )
        check_cancelled()
        failed = [error for error in checked if isinstance(error, BaseException)]
        if failed and not await self._are_single(failed, len(batch)):
            raise failed[0]
        return [
            finding
            for held, result in zip(batch, checked, strict=True)
            for finding in (
                [Finding(action="unreadable", subject=held.video_id, detail=repr(result))]
                if isinstance(result, BaseException)
                else result
            )
        ]

    async def _are_single(self, failed: Sequence[BaseException], among: int) -> bool:
        """Whether a storage that answers fails for these videos only, as for a broken object."""
        if not all(isinstance(error, BlobStoreUnavailable) for error in failed):
            return False
        await self._media.ping()
        return among == 1 or len(failed) <= among // 4

    async def _check(
        self,
        held: StoredObjects,
        job: JobRecord | None,
        events: Sequence[RecordedEvent],
        *,
        dry_run: bool,
    ) -> list[Finding]:
        try:
            state, _version = fold(events, DECIDER)
            return await self._compare(held, job, state, dry_run=dry_run)
        except Exception as error:
            check_cancelled()
            if is_outage(error):
                raise
            return [Finding(action="unreadable", subject=held.video_id, detail=repr(error))]

    async def _compare(
        self, held: StoredObjects, job: JobRecord | None, state: Transcode, *, dry_run: bool
    ) -> list[Finding]:
        before = datetime.now(UTC) - self._orphan_age
        found: list[Finding] = []
        kept: set[str] = set()
        if job is not None and job.state in ("pending", "running"):
            kept = set(held.objects)
            found += await self._unfinished(job, dry_run=dry_run)
        elif job is not None and job.state == "completed":
            whole = state.phase == "completed"
            kept = referenced(held.video_id, state) if whole else set(held.objects)
            found += await self._missing(held, state, dry_run=dry_run)
        deleted = job is not None and job.state == "deleted"
        orphans = [
            key
            for key, blob in held.objects.items()
            if key not in kept
            and blob.modified_at < before
            and (deleted or not is_of_live(held.video_id, key))
            and (deleted or not is_of_captions(held.video_id, key))
        ]
        if job is not None and job.state == "deleted" and orphans:
            found += await self._list(held.video_id, [f"{held.video_id}/"], "deleted", dry_run)
            return found
        if job is not None and not deleted and is_of_live(held.video_id, job.source_key):
            found += await self._of_live(held)
        if job is not None and not deleted:
            unnamed, wrong = await self._captions(held, state)
            found += wrong
            orphans += [key for key in unnamed if held.objects[key].modified_at < before]
        return found + await self._list(held.video_id, orphans, "unused", dry_run)

    async def _captions(
        self, held: StoredObjects, state: Transcode
    ) -> tuple[list[str], list[Finding]]:
        """Objects of captions that the log does not name, and named ones that are not right.

        The stream of a video without any such object is not read: the scrubber looks for those that
        are all gone.
        """
        kept = {
            key: blob for key, blob in held.objects.items() if is_of_captions(held.video_id, key)
        }
        if not kept:
            return [], []
        events = await self._store.read_stream(stream_id("video", held.video_id))
        named = named_captions((recorded.data for recorded in events), state.captions)
        wrong = [
            Finding(action="damaged", subject=key, detail=problem)
            for key, problem in wrong_captions(named, kept).items()
            # The listing may be older than the log.
            if key in kept or not await self._media.exists(key)
        ]
        return [key for key in kept if key not in named], wrong

    async def _of_live(self, held: StoredObjects) -> list[Finding]:
        """What is wrong with the recording that a live has left; nobody can make it again."""
        name = stream_id("livesession", held.video_id)
        session = await self._store.read_stream(name)
        wrong = missing_of_live((recorded.data for recorded in session), held.objects)
        # The listing may be older than the log.
        found = [
            Finding(action="damaged", subject=key, detail=problem)
            for key, problem in wrong.items()
            if key in held.objects or not await self._media.exists(key)
        ]
        gone = bool(found) and await is_deleted(self._store, held.video_id)
        return [] if gone else found

    async def _stray_tasks(self, *, dry_run: bool) -> list[Finding]:
        stray = await self._repository.stray_tasks()
        if stray and not dry_run:
            await self._repository.remove_stray_tasks()
        return [
            Finding(action="clear", subject=task_id, detail="its job does not want this task")
            for task_id in stray
        ]

    async def _missing(
        self, held: StoredObjects, state: Transcode, *, dry_run: bool
    ) -> list[Finding]:
        missing = expected_keys(held.video_id, state) - held.objects.keys()
        # The listing may be older than the log, so missing keys are checked one by one.
        gone = {key for key in missing if not await self._media.exists(key)}
        gone |= await self._damaged(held, state)
        if gone and await self._has_changed(held.video_id, state):
            return []
        event = media_lost(held.video_id, state, gone)
        if event is None:
            return []
        if not dry_run:
            outcome = await record(self._store, held.video_id, event, held.video_id)
            if not outcome.events:
                return []
        detail = f"{len(event.keys)} objects are missing or damaged; done again: "
        return [
            Finding(
                action="remake",
                subject=held.video_id,
                detail=detail + (", ".join(event.tasks) or "playlists"),
            )
        ]

    async def _damaged(self, held: StoredObjects, state: Transcode) -> set[str]:
        """The keys of listed objects whose size, asked for once more, is wrong."""
        sizes = expected_sizes(state)
        suspected = {
            key
            for key in expected_keys(held.video_id, state) & held.objects.keys()
            if not has_size(held.objects[key].size, sizes.get(key))
        }
        if suspected:
            # Playlists are written a moment before the event with their sizes.
            await asyncio.sleep(self._settle_seconds)
        return {key for key in suspected if not has_size(await self._size(key), sizes.get(key))}

    async def _size(self, key: str) -> int:
        try:
            return (await self._media.head(key)).size
        except BlobNotFound:
            return 0

    async def _has_changed(self, video_id: str, state: Transcode) -> bool:
        """Whether objects have been replaced since ``state``, so that a comparison is outdated."""
        return await state_of(self._store, video_id) != state

    async def _unfinished(self, job: JobRecord, *, dry_run: bool) -> list[Finding]:
        """Make tasks again that the log still needs and the table has not."""
        states = await self._repository.tasks(job)
        # The table is read before the log, so that a task done in between does not look lost.
        state = await state_of(self._store, job.video_id)
        if not state.open or state.attempt != job.attempt:
            return []
        if state.planned is not None and job.state == "pending":
            # The projection has not applied the plan yet, or has parked an event before it. Tasks
            # without the plan, which is in the job's row, could not be done.
            return []
        rows = open_tasks(
            state.planned,
            job.video_id,
            job.user_id,
            job.attempt,
            unfinished_tasks(state),
            plain_size=job.size if state.plain else None,
            source_key=job.source_key,
        )
        lost = [row for row in rows if states.get(row["task_id"], "done") == "done"]
        found = [
            Finding(action="recreate", subject=row["task_id"], detail="the task was lost")
            for row in lost
        ]
        if lost and not dry_run:
            await self._repository.requeue(lost)
        if is_complete(state) and not lost:
            found.append(Finding(action="publish", subject=job.video_id, detail="all is made"))
            if not dry_run:
                await self._repository.republish(job)
        return found

    async def _list(
        self, video_id: str, keys: list[str], reason: Reason, dry_run: bool
    ) -> list[Finding]:
        """The findings about objects that were not listed for deletion yet."""
        if not keys:
            return []
        if dry_run:
            listed = await self._deletions.listed(video_id)
            new = [key for key in keys if not is_listed(key, listed)]
        else:
            new = await self._deletions.add(video_id, keys, reason)
        detail = "its video is deleted" if reason == "deleted" else "nothing refers to this object"
        return [Finding(action="remove", subject=key, detail=detail) for key in new]


async def _by_video(media: BlobStore, after: str) -> AsyncIterator[StoredObjects]:
    """The bucket's objects of videos after an id, by video; the top folder is the video's id."""
    video_id, objects = "", dict[str, BlobInfo]()
    # No key of the folder sorts after this: 0 follows the slash.
    async for blob in media.list(after=f"{after}0" if after else ""):
        folder = blob.key.partition("/")[0]
        if folder != video_id and objects:
            yield StoredObjects(video_id, objects)
            objects = {}
        video_id = folder
        objects[blob.key] = blob
    if objects:
        yield StoredObjects(video_id, objects)


def _stream(held: StoredObjects) -> str:
    return stream_id("transcode", held.video_id)


async def merge_by_video(
    bucket: AsyncIterator[StoredObjects], ids: AsyncIterator[str]
) -> AsyncIterator[StoredObjects]:
    """Every video of the bucket or of the table, once. Both must be in order of ids."""
    held, known = await anext(bucket, None), await anext(ids, None)
    while held is not None or known is not None:
        if held is None or (known is not None and known < held.video_id):
            if known is not None:
                yield StoredObjects(known, {})
            known = await anext(ids, None)
            continue
        yield held
        if known == held.video_id:
            known = await anext(ids, None)
        held = await anext(bucket, None)
