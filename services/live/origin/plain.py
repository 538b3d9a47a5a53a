"""Plain HLS of a session from the log alone: for players while no replica owns it."""

import asyncio
import time
from typing import Final

import msgspec

from services.live import object_keys
from services.live.packaging.fragments import read_init
from services.live.ports import Sessions
from services.live.recording.history import History, read_history
from services.live.recording.playlists import media_playlist, multivariant
from shared.blobs.store import BlobStore

_FRESH_SECONDS: Final = 2.0
_MAX_KNOWN: Final = 64
_MAX_SIZES: Final = 500


class _Known(msgspec.Struct, frozen=True):
    history: History
    read_at: float


class PlainPlaylists:
    """Reads a session's events at most once in two seconds, however many ask."""

    def __init__(self, sessions: Sessions, blobs: BlobStore) -> None:
        self._sessions = sessions
        self._blobs = blobs
        self._known: dict[str, _Known] = {}
        self._reading: dict[str, asyncio.Lock] = {}
        self._sizes: dict[str, tuple[int, int]] = {}

    async def playlist(self, video_id: str, name: str) -> str | None:
        """A playlist by its file's name; None for nothing to play. Raises Unavailable."""
        history = await self._history(video_id)
        if not history.numbers:
            return None
        if name != object_keys.MULTIVARIANT:
            return media_playlist(history, name.removesuffix(".m3u8"), final=False)
        return multivariant(history, await self._all_sizes(history), final=False)

    async def _history(self, video_id: str) -> History:
        lock = self._reading.setdefault(video_id, asyncio.Lock())
        async with lock:
            known = self._known.get(video_id)
            now = time.monotonic()
            if known is None or now - known.read_at > _FRESH_SECONDS:
                events = await self._sessions.history(video_id)
                known = _Known(read_history(video_id, events), now)
                if len(self._known) >= _MAX_KNOWN:
                    self._known.clear()
                    self._reading.clear()
                self._known[video_id] = known
        return known.history

    async def _all_sizes(self, history: History) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for track in history.pictures:
            key = history.tracks[track][-1].init_key
            if key not in self._sizes:
                init = read_init(await self._blobs.read(key))
                if len(self._sizes) >= _MAX_SIZES:
                    self._sizes.clear()
                self._sizes[key] = init.width, init.height
            found[track] = self._sizes[key]
        return found
