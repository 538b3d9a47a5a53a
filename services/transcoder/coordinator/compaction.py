"""Compaction: joins the objects of each track of a complete video into one, and makes the indices
of its downloads.

Every step can be repeated. The objects are joined first, then the playlists name the result, then
the event is recorded. The replaced objects stay for a while, for players that loaded old playlists,
and are listed for deletion then. A note beside the joined object says where their bytes are.
"""

from typing import Final

import msgspec

from services.transcoder.coordinator.deletion_repository import DeletionRepository
from services.transcoder.coordinator.downloads import make_downloads
from services.transcoder.coordinator.media_objects import planned_joins, referenced
from services.transcoder.coordinator.publisher import Publisher
from services.transcoder.domain.evolution import evolve
from services.transcoder.domain.state import Transcode
from services.transcoder.handlers import load_state, record, state_of
from services.transcoder.jobs.jobs import JobRecord, JobRepository
from services.transcoder.object_keys import IMMUTABLE, is_of_live
from services.transcoder.planning.object_join import JoinedObject
from shared import moved_media
from shared.blobs.store import BlobNotFound, BlobStore
from shared.contracts import CompactedTrack, MediaCompacted
from shared.event_store.store import EventStore
from shared.loops.items import ItemMetrics, Items
from shared.telemetry import get_logger

_log = get_logger(__name__)

# A player may use a playlist that it has loaded for the video's length and a pause of one hour.
_PAUSE_SECONDS: Final = 3600
_LATER_SECONDS: Final = 300.0
# Videos of which one round lists the replaced objects.
_DROPS: Final = 8


class Compactor:
    """Compacts one video at a time, and later lists the replaced objects for deletion.

    ``busy``: the video being compacted. Other loops must not delete its objects.
    """

    def __init__(
        self,
        jobs: JobRepository,
        store: EventStore,
        media: BlobStore,
        publisher: Publisher,
        deletions: DeletionRepository,
        *,
        metrics: ItemMetrics,
    ) -> None:
        self._jobs = jobs
        self._store = store
        self._media = media
        self._publisher = publisher
        self._deletions = deletions
        self._compacting = Items("compact videos", metrics)
        self._dropping = Items("list replaced objects", metrics)
        self.busy: str | None = None

    async def step(self) -> None:
        """Compact one video and list the replaced objects of some, where they are due."""
        jobs = await self._jobs.to_compact(1, self._compacting.waiting)
        await self._compacting.each(jobs, lambda job: job.video_id, self._compact)
        # Several, because an outage is one only where two fail in a row.
        jobs = await self._jobs.to_drop(_DROPS, self._dropping.waiting)
        await self._dropping.each(jobs, lambda job: job.video_id, self._drop)

    async def _compact(self, job: JobRecord) -> None:
        self.busy = job.video_id
        try:
            await self._compact_alone(job)
        finally:
            self.busy = None

    async def _compact_alone(self, job: JobRecord) -> None:
        state, version = await load_state(self._store, job.video_id)
        try:
            event = await join(self._media, job.video_id, state)
            joined = state if event is None else evolve(state, event)
            downloads = await make_downloads(self._media, job.video_id, joined)
        except BlobNotFound as error:
            # The reconciliation finds the missing object and has it made again.
            await self._postpone(job, str(error))
            return
        if not await self._record_joined(job, state, version, event):
            return
        if downloads is not None:
            await record(self._store, job.video_id, downloads, job.correlation_id)
        await self._jobs.compacted(job)

    async def _record_joined(
        self, job: JobRecord, state: Transcode, version: int, event: MediaCompacted | None
    ) -> bool:
        """Publish what was joined. False: the video has changed, and another round follows."""
        # It takes minutes. What was made again meanwhile may have other names.
        if (await load_state(self._store, job.video_id))[1] != version:
            await self._postpone(job, "the video has changed")
            return False
        if event is not None:
            event = await publish(self._publisher, job.video_id, state, event)
            outcome = await record(self._store, job.video_id, event, job.correlation_id)
            if not outcome.events:
                await self._publish_again(job.video_id)
                await self._postpone(job, "the video has changed")
                return False
            _log.info("video compacted", video=job.video_id, objects=len(event.objects))
        return True

    async def _postpone(self, job: JobRecord, reason: str) -> None:
        _log.warning("compaction postponed", video=job.video_id, reason=reason)
        await self._jobs.compact_later(job, _LATER_SECONDS)

    async def _publish_again(self, video_id: str) -> None:
        """Playlists name what the log does not have: write those that the log describes."""
        state = await state_of(self._store, video_id)
        if state.planned is not None and state.phase == "completed":
            await self._publisher.put_final(video_id, state, state.planned)

    async def _drop(self, job: JobRecord) -> None:
        prefix = f"{job.video_id}/"
        kept = referenced(job.video_id, await state_of(self._store, job.video_id), replaced=False)
        unused = [
            blob.key
            async for blob in self._media.list(prefix)
            if blob.key not in kept and not is_of_live(job.video_id, blob.key)
        ]
        await self._deletions.add(job.video_id, unused, "replaced")
        await self._media.drop_unfinished(prefix)
        await self._jobs.dropped(job)


async def join(media: BlobStore, video_id: str, state: Transcode) -> MediaCompacted | None:
    """Join the objects of each track; returns the event for it, without playlists.

    None where nothing is to be joined. Raises BlobNotFound where an object of the video is missing.
    """
    planned = state.planned
    if planned is None or state.phase != "completed":
        return None
    found = planned_joins(state)
    if not found:
        return None
    for whole, content_type in found:
        # An object that was lost may have its size and other bytes.
        if whole.key in state.lost or not await _is_there(media, whole):
            await media.join(whole.key, whole.pieces, content_type, IMMUTABLE)
        note = moved_media.write_note(whole.key, ((p.key, p.size) for p in whole.pieces))
        key = moved_media.note_key(whole.key)
        await media.put(key, note, moved_media.CONTENT_TYPE, IMMUTABLE)
    return MediaCompacted(
        video_id=video_id,
        attempt=state.attempt,
        objects=tuple(
            CompactedTrack(track=whole.track, key=whole.key, size=whole.size) for whole, _ in found
        ),
        keep_seconds=_PAUSE_SECONDS + planned.source.duration_ms // 1000,
    )


async def publish(
    publisher: Publisher, video_id: str, state: Transcode, event: MediaCompacted
) -> MediaCompacted:
    """Write the playlists of the joined objects; returns the event with them, to be recorded."""
    if state.planned is None:
        return event
    _listed, written = await publisher.put_final(video_id, evolve(state, event), state.planned)
    return msgspec.structs.replace(event, playlists=written)


async def _is_there(media: BlobStore, whole: JoinedObject) -> bool:
    """Whether an earlier try has joined this object already."""
    try:
        return (await media.head(whole.key)).size == whole.size
    except BlobNotFound:
        return False
