"""A complete video's many objects → one for each track, when nothing is added any more.

Idempotent, and safe at every step: the one is joined first, then the playlists name it, then the
log says so; what was replaced stays for those who are playing it.
"""

from typing import Final

from services.transcoder.coordinator.publisher import Publisher, planned_joins, referenced
from services.transcoder.domain import Transcode, evolve
from services.transcoder.handlers import record, state_of
from services.transcoder.jobs import JobRecord, JobRepository
from services.transcoder.object_keys import IMMUTABLE
from services.transcoder.planning.object_join import JoinedObject
from shared.blobs.store import BlobNotFound, BlobStore
from shared.contracts import CompactedTrack, MediaCompacted
from shared.event_store.store import EventStore
from shared.telemetry import get_logger

_log = get_logger(__name__)

# Who has loaded a playlist goes on asking for what it names: for as long as the film lasts, and
# for a pause of an hour.
_PAUSE_SECONDS: Final = 3600
_LATER_SECONDS: Final = 300.0


class Compactor:
    """Compacts videos one after the other, and removes what was replaced when its time is over.

    ``busy`` names the video that it is at: nobody else should remove objects of that one.
    """

    def __init__(
        self, jobs: JobRepository, store: EventStore, media: BlobStore, publisher: Publisher
    ) -> None:
        self._jobs = jobs
        self._store = store
        self._media = media
        self._publisher = publisher
        self.busy: str | None = None

    async def step(self) -> None:
        """Whatever is due."""
        for job in await self._jobs.to_compact(1):
            self.busy = job.video_id
            try:
                await self._compact(job)
            finally:
                self.busy = None
        for job in await self._jobs.to_drop(1):
            await self._drop(job)

    async def _compact(self, job: JobRecord) -> None:
        state = await state_of(self._store, job.video_id)
        try:
            event = await compact(self._media, self._publisher, job.video_id, state)
        except BlobNotFound as error:
            # Whoever looks after lost objects has it made again; until then this one can wait.
            _log.warning("a video cannot be compacted", video=job.video_id, error=str(error))
            await self._jobs.compact_later(job, _LATER_SECONDS)
            return
        if event is not None:
            await record(self._store, job.video_id, event, job.correlation_id)
            _log.info("video compacted", video=job.video_id, objects=len(event.objects))
        await self._jobs.compacted(job)

    async def _drop(self, job: JobRecord) -> None:
        prefix = f"{job.video_id}/"
        kept = referenced(job.video_id, await state_of(self._store, job.video_id), replaced=False)
        async for blob in self._media.list(prefix):
            if blob.key not in kept:
                await self._media.delete(blob.key)
        await self._media.drop_unfinished(prefix)
        await self._jobs.dropped(job)


async def compact(
    media: BlobStore, publisher: Publisher, video_id: str, state: Transcode
) -> MediaCompacted | None:
    """Join what can be joined; returns the fact to record, or None where there is nothing to do.

    Raises BlobNotFound where an object of the video is missing.
    """
    planned = state.planned
    if planned is None or state.phase != "completed":
        return None
    found = planned_joins(state)
    if not found:
        return None
    for whole, content_type in found:
        if not await _is_there(media, whole):
            await media.join(whole.key, whole.pieces, content_type, IMMUTABLE)
    event = MediaCompacted(
        video_id=video_id,
        attempt=state.attempt,
        objects=tuple(
            CompactedTrack(track=whole.track, key=whole.key, size=whole.size) for whole, _ in found
        ),
        keep_seconds=_PAUSE_SECONDS + planned.source.duration_ms // 1000,
    )
    await publisher.put_final(video_id, evolve(state, event), planned)
    return event


async def _is_there(media: BlobStore, whole: JoinedObject) -> bool:
    """Whether an earlier try got this far."""
    try:
        return (await media.head(whole.key)).size == whole.size
    except BlobNotFound:
        return False
