"""Deletes objects after their time on the list, and only what the log still allows.

The log is read again before each object. Whatever listed it (a table that was behind, a repair
that has put it back since): what a completed attempt names stays.
"""

from collections.abc import Callable
from typing import Final

from services.transcoder.coordinator.caption_objects import named_captions
from services.transcoder.coordinator.deletion_repository import Deletion, DeletionRepository
from services.transcoder.coordinator.media_objects import Fate, fates
from services.transcoder.coordinator.metrics import CoordinatorMetrics
from services.transcoder.domain.state import Transcode
from services.transcoder.handlers import is_deleted, load_state
from services.transcoder.object_keys import is_of_captions, is_of_live
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
    """Call ``round`` regularly. ``busy``: the video whose objects must not be deleted now.

    ``advanced`` is called before each object: a round may take longer than the loop may be silent.
    """

    def __init__(
        self,
        repository: DeletionRepository,
        store: EventStore,
        media: BlobStore,
        metrics: CoordinatorMetrics,
        *,
        busy: Callable[[], str | None] = lambda: None,
        advanced: Callable[[], None] = lambda: None,
    ) -> None:
        self._repository = repository
        self._store = store
        self._media = media
        self._done = metrics.deletions
        self._items = Items("delete objects", metrics.items)
        self._busy = busy
        self._advanced = advanced
        # Of the entry before: the entries of a video are due together.
        self._last: _Verdicts | None = None

    async def round(self) -> None:
        """Delete what is due."""
        due = await self._repository.due(_ENTRIES, self._items.waiting)
        await self._items.each(due, lambda entry: entry.key, self._delete)

    async def _delete(self, entry: Deletion) -> None:
        if entry.video_id == self._busy():
            return
        self._advanced()
        if self._last is None or not self._last.are_of(entry):
            self._last = _Verdicts(self._store, entry)
        verdicts = self._last
        found = await verdicts.of(entry.key)
        if entry.reason == "deleted":
            if found == "delete":
                await self._media.delete_prefix(entry.key)
                await self._media.drop_unfinished(entry.key)
        elif entry.key.endswith("/"):
            found = await self._delete_folder(entry, verdicts)
        elif found == "delete":
            await self._media.delete(entry.key)
        if found == "later":
            await self._repository.postpone(entry.key, _LATER_SECONDS)
            return
        await self._repository.remove(entry.key)
        self._done.labels("deleted" if found == "delete" else "withdrawn").inc()
        if found == "keep":
            _log.warning("deletion withdrawn", key=entry.key, reason=entry.reason)

    async def _delete_folder(self, entry: Deletion, verdicts: "_Verdicts") -> Fate:
        """Delete the objects of a folder one by one; what is needed stays."""
        async for blob in self._media.list(entry.key):
            self._advanced()
            found = await verdicts.of(blob.key)
            if found == "later":
                return "later"
            if found == "delete":
                await self._media.delete(blob.key)
        return "delete"


class _Verdicts:
    """What the log says of a video's objects that are listed for one reason.

    The streams of a long film take a second to read and fold, and it may have twenty thousand
    objects: they are read again only where one has grown.
    """

    def __init__(self, store: EventStore, entry: Deletion) -> None:
        self._store = store
        self._video_id = entry.video_id
        self._reason = entry.reason
        names = ("video", "transcode", "upload")
        self._versions = {stream_id(name, entry.video_id): 0 for name in names}
        self._fate: Callable[[str], Fate] | None = None

    def are_of(self, entry: Deletion) -> bool:
        """Whether they answer for this entry, too."""
        return (entry.video_id, entry.reason) == (self._video_id, self._reason)

    async def of(self, key: str) -> Fate:
        """What becomes of an object, by the log as it is now."""
        later = await self._store.read_after(self._versions)
        if later or self._fate is None:
            self._fate = await self._read()
            self._versions |= {name: events[-1].version for name, events in later.items()}
        return self._fate(key)

    async def _read(self) -> Callable[[str], Fate]:
        video_id, reason = self._video_id, self._reason
        if await is_deleted(self._store, video_id):
            return lambda key: "delete"
        if reason == "deleted":
            return lambda key: "keep"
        state, version = await load_state(self._store, video_id)
        of_transcode = await self._of_transcode(state, version)
        events = await self._store.read_stream(stream_id("video", video_id))
        captions = named_captions((recorded.data for recorded in events), state.captions)

        def fate(key: str) -> Fate:
            if is_of_captions(video_id, key):
                return "keep" if key in captions else "delete"
            return of_transcode(key)

        return fate

    async def _of_transcode(self, state: Transcode, version: int) -> Callable[[str], Fate]:
        """What becomes of objects that a transcode or a live has made."""
        video_id, reason = self._video_id, self._reason
        if version == 0:
            uploaded = await self._store.read_stream(stream_id("upload", video_id))
            is_video = any(isinstance(event.data, VideoUploaded) for event in uploaded)
            unknown: Fate = "later" if is_video else "delete"
            return lambda key: "keep" if is_of_live(video_id, key) else unknown
        return fates(video_id, state, replaced=reason == "replaced")
