"""Lists for deletion what nothing refers to: all objects of a deleted video, unused ones of others.

Nothing is deleted here: see ``deleting``.
"""

from services.transcoder.coordinator.deletion_repository import DeletionRepository
from services.transcoder.coordinator.media_objects import referenced
from services.transcoder.handlers import state_of
from services.transcoder.jobs.jobs import JobRecord
from services.transcoder.manifests.dash import MANIFEST
from services.transcoder.manifests.hls import MASTER
from services.transcoder.object_keys import attempt_prefix, is_of_captions, is_of_live
from shared.blobs.store import BlobStore
from shared.event_store.store import EventStore


async def sweep(
    store: EventStore, media: BlobStore, deletions: DeletionRepository, job: JobRecord
) -> None:
    """List the unused objects of a job that has ended."""
    video_id = job.video_id
    if job.state == "deleted":
        await media.drop_unfinished(f"{video_id}/")
        await deletions.add(video_id, [f"{video_id}/"], "deleted")
        return
    state = await state_of(store, video_id)
    if state.attempt != job.attempt or state.phase != job.state:
        # The log is ahead of the table: a later attempt may have published its playlists. The
        # sweep after that attempt finds what this one leaves.
        return
    if job.state == "completed":
        kept = referenced(video_id, state)
        unused = [
            blob.key
            async for blob in media.list(f"{video_id}/")
            if blob.key not in kept
            and not is_of_live(video_id, blob.key)
            and not is_of_captions(video_id, blob.key)
        ]
        await deletions.add(video_id, unused, "unused")
        return
    attempts = range(1, job.attempt + 1)
    folders = [f"{attempt_prefix(video_id, attempt)}/" for attempt in attempts]
    playlists = [f"{video_id}/{name}" for name in (MASTER, MANIFEST)]
    await deletions.add(video_id, [*playlists, *folders], "ended")
