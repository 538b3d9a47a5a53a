"""Deletes what nothing refers to: all objects of a deleted video, unused ones of others."""

from services.transcoder.coordinator.media_objects import referenced
from services.transcoder.handlers import state_of
from services.transcoder.jobs import JobRecord
from services.transcoder.manifests.dash import MANIFEST
from services.transcoder.manifests.hls import MASTER
from services.transcoder.object_keys import attempt_prefix
from shared.blobs.store import BlobStore
from shared.event_store.store import EventStore


async def sweep(store: EventStore, media: BlobStore, job: JobRecord) -> None:
    """Delete the unused objects of a job that has ended."""
    if job.state == "deleted":
        await media.delete_prefix(f"{job.video_id}/")
        await media.drop_unfinished(f"{job.video_id}/")
        return
    state = await state_of(store, job.video_id)
    if state.attempt != job.attempt or state.phase != job.state:
        # The log is ahead of the table: a later attempt may have published its playlists. The
        # sweep after that attempt finds what this one leaves.
        return
    if job.state == "completed":
        kept = referenced(job.video_id, state)
        async for blob in media.list(f"{job.video_id}/"):
            if blob.key not in kept:
                await media.delete(blob.key)
        return
    for name in (MASTER, MANIFEST):
        await media.delete(f"{job.video_id}/{name}")
    for attempt in range(1, job.attempt + 1):
        await media.delete_prefix(f"{attempt_prefix(job.video_id, attempt)}/")
