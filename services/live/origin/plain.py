"""Playlists and manifest of a session from the log alone: for players while no replica owns it, and
for viewers who go further back than the owner's window."""

import asyncio
import time
from typing import Final

import msgspec

from services.live import object_keys
from services.live.packaging.fragments import read_init
from services.live.ports import Sessions
from services.live.recording.history import History, newest, read_history
from services.live.recording.periods import presentation
from services.live.recording.playlists import multivariant
from services.live.recording.running import WINDOW, Reach, dvr, running_playlist
from services.live.window import dash
from services.live.window.segments import WINDOW_SECONDS
from shared.blobs.store import BlobStore

_FRESH_SECONDS: Final = 2.0
# A session of hours has some megabytes.
_MAX_KNOWN: Final = 32
_MAX_SIZES: Final = 500
_DVR_PREFIX: Final = "dvr-"
_OF_ALL: Final = frozenset((object_keys.MULTIVARIANT, object_keys.DVR, object_keys.DASH))


class _Known(msgspec.Struct):
    """A session that was asked for. ``texts``: playlists that were made of this history."""

    history: History
    read_at: float
    texts: dict[tuple[str, bool], str | None]

    @property
    def is_over(self) -> bool:
        """Whether nothing follows: it has ended, or was never one."""
        return self.history.ended or not any(self.history.tracks.values())

    def has(self, name: str) -> bool:
        """Whether there is such a playlist, or the manifest."""
        tracks = self.history.tracks
        return any(tracks.values()) and (name in _OF_ALL or _track(name) in tracks)


class PlainPlaylists:
    """Reads what was added to a session at most once in two seconds, however many ask.
    ``dvr_seconds``: how far back viewers may go; 0: not at all."""

    def __init__(self, sessions: Sessions, blobs: BlobStore, *, dvr_seconds: int = 0) -> None:
        self._sessions = sessions
        self._blobs = blobs
        self._dvr_seconds = dvr_seconds
        self._known: dict[str, _Known] = {}
        self._reading: dict[str, asyncio.Lock] = {}
        self._sizes: dict[str, tuple[int, int]] = {}

    async def playlist(self, video_id: str, name: str, *, skip: bool = False) -> str | None:
        """A playlist or the manifest by its file's name; None for nothing to play. ``skip``: an
        update without what the player has already. Raises Unavailable."""
        known = await self._read(video_id)
        if not known.has(name):
            # Nothing is kept or made for names that anybody may think up.
            return None
        if name == object_keys.DASH:
            return await self._manifest(known.history)
        async with self._reading.setdefault(video_id, asyncio.Lock()):
            # However many ask, it is made once.
            if (name, skip) not in known.texts:
                known.texts[name, skip] = await self._playlist(known.history, name, skip=skip)
        return known.texts[name, skip]

    async def _playlist(self, history: History, name: str, *, skip: bool) -> str | None:
        back = name == object_keys.DVR or name.startswith(_DVR_PREFIX)
        if back and not self._dvr_seconds:
            return None
        if name in (object_keys.MULTIVARIANT, object_keys.DVR):
            names = object_keys.dvr_playlist if back else object_keys.playlist
            sizes = await self._all_sizes(history)
            return multivariant(history, sizes, names, 0 if back else self._dvr_seconds)
        reach: Reach = dvr(self._dvr_seconds) if back else WINDOW
        # A list of hours takes some tens of milliseconds, in which parts must go on.
        return await asyncio.to_thread(running_playlist, history, _track(name), reach, skip=skip)

    async def _manifest(self, history: History) -> str | None:
        shown = presentation(newest(history, WINDOW_SECONDS), await self._all_sizes(history))
        return dash.manifest(shown, time.time()) if shown is not None else None

    async def _read(self, video_id: str) -> _Known:
        lock = self._reading.setdefault(video_id, asyncio.Lock())
        async with lock:
            known = self._known.get(video_id)
            now = time.monotonic()
            if known is None or now - known.read_at > _FRESH_SECONDS:
                known = await self._refreshed(video_id, known, now)
                self._keep(video_id, known)
        return known

    def _keep(self, video_id: str, known: _Known) -> None:
        """Those that are over, or were none, make room first: what somebody looks up does not have
        the running ones read anew, which are asked for all the time."""
        self._known.pop(video_id, None)
        if len(self._known) >= _MAX_KNOWN:
            over = (each for each, kept in self._known.items() if kept.is_over)
            gone = next(over, next(iter(self._known)))
            del self._known[gone]
            self._reading.pop(gone, None)
        self._known[video_id] = known

    async def _refreshed(self, video_id: str, known: _Known | None, now: float) -> _Known:
        before = known.history if known is not None else None
        after = before.events if before is not None else 0
        events = await self._sessions.history(video_id, after=after)
        if known is not None and not events:
            return _Known(known.history, now, known.texts)
        history = read_history(video_id, events, before)
        kept = newest(history, max(self._dvr_seconds, 2 * WINDOW_SECONDS))
        return _Known(kept, now, {})

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


def _track(name: str) -> str:
    """The track whose playlist has this name."""
    return name.removesuffix(".m3u8").removeprefix(_DVR_PREFIX)
