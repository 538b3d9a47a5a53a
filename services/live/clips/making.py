"""Makes a clip: copies of the session's objects, the events that name them, and playlists.

Each step may be repeated, and may be done by two processes at the same time.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from services.live import object_keys
from services.live.clips.repository import ClipRow
from services.live.clips.rules import Chosen, batches, choose, clip_visibility, objects
from services.live.domain.session import MakeClip, MakePoster
from services.live.handlers.live_events import LiveEvents
from services.live.ports import Recorder
from services.live.recording.history import Entry, History, read_history
from services.live.recording.poster import make_poster
from shared.blobs.store import BlobNotFound, BlobStore
from shared.contracts import Event, LiveClipMade, Visibility
from shared.programs.process import RunFailed
from shared.telemetry import get_logger

_log = get_logger(__name__)

# How many objects the storage copies at once.
_AT_ONCE: Final = 8


class NotMade(Exception):
    """A clip cannot be made; the text is a sentence for its owner."""


class ClipMaker:
    """``ffmpeg`` makes posters in ``scratch``; ``recorder`` makes the playlists."""

    def __init__(
        self, events: LiveEvents, blobs: BlobStore, recorder: Recorder, ffmpeg: str, scratch: Path
    ) -> None:
        self._events = events
        self._blobs = blobs
        self._recorder = recorder
        self._ffmpeg = ffmpeg
        self._scratch = scratch

    async def make(self, row: ClipRow, visibility: Visibility) -> ClipRow:
        """The row afterwards. Raises NotMade, Unavailable. ``visibility``: the live's."""
        made = await self._made(row) or await self._begin(row, visibility)
        await self._recorder.record(row.video_id)
        self._events.forget(row.video_id)
        return msgspec.structs.replace(
            row, state="ready", started_at=made.started_at, duration_ms=made.duration_ms
        )

    async def _made(self, row: ClipRow) -> LiveClipMade | None:
        """What an earlier try has begun, whose objects are there."""
        events = await self._events.history(row.video_id)
        return next((event for event in events if isinstance(event, LiveClipMade)), None)

    async def _begin(self, row: ClipRow, visibility: Visibility) -> LiveClipMade:
        """Copy the objects, then append the events that name them."""
        source = await self._events.history(row.source_id)
        history = read_history(row.source_id, source)
        chosen = choose(history, row.seconds, row.ends_at)
        if chosen is None:
            raise NotMade("Nothing of the live was stored yet.")
        try:
            await self._copy(row, objects(history, chosen.numbers))
        except BlobNotFound:
            await self._blobs.delete_prefix(f"{row.video_id}/")
            raise NotMade("The live was deleted.") from None
        command = _command(row, source, history, chosen, visibility)
        await self._events.decide_session(row.video_id, command, row.user_id)
        await self._make_poster(row, history, chosen)
        return command.made

    async def _copy(self, row: ClipRow, wanted: list[Entry]) -> None:
        """Copy inside the storage. Raises BlobNotFound."""
        keys = dict.fromkeys([entry.init_key for entry in wanted] + [e.key for e in wanted])
        places = asyncio.Semaphore(_AT_ONCE)

        async def copy(key: str) -> None:
            async with places:
                target = object_keys.moved(key, row.source_id, row.video_id)
                await self._blobs.copy(key, target)

        done = await asyncio.gather(*map(copy, keys), return_exceptions=True)
        for failure in done:
            if failure is not None:
                raise failure

    async def _make_poster(self, row: ClipRow, history: History, chosen: Chosen) -> None:
        """Of the first picture; a clip without one is still a clip."""
        first = min(chosen.numbers)
        entry = next(
            (e for name in history.pictures for e in history.tracks[name] if e.number == first),
            None,
        )
        if entry is None:
            return
        pictures = await self._blobs.read(entry.init_key) + await self._blobs.read(entry.key)
        folder = self._scratch / f"clip-{row.video_id}"
        try:
            made = await make_poster(self._ffmpeg, folder, self._blobs, row.video_id, pictures)
        except RunFailed as error:
            _log.warning("no poster", video=row.video_id, reason=error.detail[-300:])
            return
        await self._events.decide_session(row.video_id, MakePoster(made), row.user_id)


def _command(
    row: ClipRow, source: Sequence[Event], history: History, chosen: Chosen, visibility: Visibility
) -> MakeClip:
    own = row.made_by == row.user_id
    made = LiveClipMade(
        video_id=row.video_id,
        live_id=row.live_id,
        user_id=row.user_id,
        source_id=row.source_id,
        made_by=row.made_by,
        title=row.title,
        description="",
        visibility=clip_visibility(row.visibility, visibility, by_owner=own),
        started_at=datetime.fromtimestamp(chosen.started_at, UTC),
        duration_ms=round(1000 * chosen.seconds),
        size=sum(entry.size for entry in objects(history, chosen.numbers)),
    )
    numbers = chosen.numbers
    return MakeClip(made, tuple(batches(row.video_id, row.source_id, source, numbers)))
