"""Deletes objects after their time on the list, and only what the log still allows.

The log is read again before each object. Whatever listed it (a table that was behind, a repair
that has put it back since): what a completed attempt names stays.
"""

from collections.abc import Callable
from typing import Final

from services.transcoder.coordinator.deletion_repository import Deletion, DeletionRepository
from services.transcoder.coordinator.media_objects import Fate, fate
from services.transcoder.coordinator.metrics import CoordinatorMetrics
from services.transcoder.handlers import is_deleted, load_state
from services.transcoder.object_keys import is_of_live
from shared.blobs.store import BlobStore
from shared.contracts import VideoUploaded, stream_id
from shared.event_store.store import EventStore
from shared.loops.items import Items
from shared.telemetry import get_logger

_log = get_logger(__name__)

# Entries that one round works on.
_ENTRIES: Final = 100
# Until a transcode that is under way is looked at again.
_LATER_SECONDS: Final = 60.0


class Deleter:
    """Call ``round`` regularly. ``busy``: the video whose objects must not be deleted now."""

    def __init__(
        self,
        repository: DeletionRepository,
        store: EventStore,
        media: BlobStore,
        metrics: CoordinatorMetrics,
        busy: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._repository = repository
        self._store = store
        self._media = media
        self._done = metrics.deletions
        self._items = Items("delete objects", metrics.items)
        self._busy = busy

    async def round(self) -> None:
        """Delete what is due."""
        due = await self._repository.due(_ENTRIES, self._items.waiting)
        await self._items.each(due, lambda entry: entry.key, self._delete)

    async def _delete(self, entry: Deletion) -> None:
        if entry.video_id == self._busy():
            return
        found = await self._fate(entry, entry.key)
        if entry.reason == "deleted":
            if found == "delete":
                await self._media.delete_prefix(entry.key)
                await self._media.drop_unfinished(entry.key)
        elif entry.key.endswith("/"):
            found = await self._delete_folder(entry)
        elif found == "delete":
            await self._media.delete(entry.key)
        if found == "later":
            await self._repository.postpone(entry.key, _LATER_SECONDS)
            return
        await self._repository.remove(entry.key)
        self._done.labels("deleted" if found == "delete" else "withdrawn").inc()
        if found == "keep":
            _log.warning("deletion withdrawn", key=entry.key, reason=entry.reason)

    async def _delete_folder(self, entry: Deletion) -> Fate:
        """Delete the objects of a folder one by one; what is needed stays."""
        async for blob in self._media.list(entry.key):
            found = await self._fate(entry, blob.key)
            if found == "later":
                return "later"
            if found == "delete":
                await self._media.delete(blob.key)
        return "delete"

    async def _fate(self, entry: Deletion, key: str) -> Fate:
        """What the log says now."""
        video_id = entry.video_id
        if await is_deleted(self._store, video_id):
            return "delete"
        if entry.reason == "deleted" or is_of_live(video_id, key):
            return "keep"
        state, version = await load_state(self._store, video_id)
        if version == 0:
            uploaded = await self._store.read_stream(stream_id("upload", video_id))
            is_video = any(isinstance(event.data, VideoUploaded) for event in uploaded)
            return "later" if is_video else "delete"
        return fate(video_id, state, key, replaced=entry.reason == "replaced")
