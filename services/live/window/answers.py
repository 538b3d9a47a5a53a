"""What a player asks of a window, and what it is answered. ``None``: there is no such thing."""

import math
import time
from typing import Final

import msgspec

from services.live import object_keys
from services.live.window import dash
from services.live.window.periods import presentation
from services.live.window.playlists import CONTENT_TYPE, hinted_part, media_playlist, multivariant
from services.live.window.segments import Segment, Track, Window
from services.live.window.waiting import Changes
from shared.errors import InvalidInput

# Three target durations (RFC 8216bis, 6.2.5.2), and a first segment's time.
_BLOCK_SECONDS: Final = 12.0
_FIRST_SECONDS: Final = 8.0
# A part is asked for before it is there, but not long before.
_PART_SECONDS: Final = 5.0
# How far ahead a reload may be (RFC 8216bis, 6.2.5.2): segments, and within one seconds, or parts
# where they are longer.
SEGMENTS_AHEAD: Final = 2
SECONDS_AHEAD: Final = 3.0
PARTS_AHEAD: Final = 3


class Answer(msgspec.Struct, frozen=True):
    """``lasting``: it never changes."""

    content_type: str
    body: bytes
    lasting: bool


class Directives(msgspec.Struct, frozen=True):
    """Of a blocking reload: until which segment and part it waits; whether it may skip."""

    segment: int | None = None
    part: int | None = None
    skip: bool = False


class Viewing:
    """Answers out of one window. ``low_latency``: of the session; ``dvr_seconds``: how far back
    viewers may go by playlists of the log."""

    def __init__(
        self, window: Window, changes: Changes, *, low_latency: bool, dvr_seconds: int = 0
    ) -> None:
        self._window = window
        self._changes = changes
        self._low_latency = low_latency
        self._dvr_seconds = dvr_seconds

    async def playlist(self, name: str, directives: Directives) -> Answer | None:
        """A playlist or the manifest by its file's name. Raises InvalidInput, TooManyWaiting."""
        if name == object_keys.DASH:
            return await self._manifest()
        if name == object_keys.MULTIVARIANT:
            text = await self._multivariant()
        else:
            text = await self._media(name.removesuffix(".m3u8"), directives)
        if text is None:
            return None
        return Answer(CONTENT_TYPE, text.encode(), lasting=False)

    async def _manifest(self) -> Answer | None:
        await self._changes.until(lambda: presentation(self._window) is not None, _FIRST_SECONDS)
        shown = presentation(self._window)
        if shown is None:
            return None
        return Answer(dash.CONTENT_TYPE, dash.manifest(shown, time.time()).encode(), lasting=False)

    async def _multivariant(self) -> str | None:
        await self._changes.until(lambda: multivariant(self._window) is not None, _FIRST_SECONDS)
        return multivariant(self._window, self._dvr_seconds)

    async def _media(self, name: str, directives: Directives) -> str | None:
        track = self._window.tracks.get(name)
        if track is None or not track.shown:
            return None
        if directives.segment is not None:
            await self._reload(track, directives.segment, directives.part)
        return media_playlist(
            self._window, track, low_latency=self._low_latency, skip=directives.skip
        )

    async def _reload(self, track: Track, number: int, part: int | None) -> None:
        """Wait until the playlist has the segment, or the part of it."""
        last = track.last
        if last is not None and number > last.number + SEGMENTS_AHEAD and not self._window.ended:
            raise InvalidInput("_HLS_msn is too far ahead")
        if not self._low_latency:
            part = None
        if part is not None and not self._has(track, number, part):
            there = len(last.parts) if last is not None and last.number == number else 0
            if part >= there + self._parts_ahead():
                raise InvalidInput("_HLS_part is too far ahead")
        # Where the publisher is silent, the unchanged playlist is answered: players come back.
        await self._changes.until(lambda: self._has(track, number, part), _BLOCK_SECONDS)

    def _parts_ahead(self) -> int:
        return max(PARTS_AHEAD, math.ceil(SECONDS_AHEAD / self._window.part_seconds))

    def _has(self, track: Track, number: int, part: int | None) -> bool:
        last = track.last
        if self._window.ended or self._window.tracks.get(track.name) is not track:
            return True
        if last is None or last.number < number:
            return False
        if last.number > number or last.done:
            return True
        return part is not None and len(last.parts) > part

    async def media(self, name: str) -> Answer | None:
        """An init segment, a segment or a part by its name below the session's folder:
        ``{epoch}/{track}/init-….mp4``, ``…/{number}.m4s``, ``…/{number}.{part}.m4s``."""
        pieces = name.split("/")
        track = self._window.tracks.get(pieces[1]) if len(pieces) == 3 else None
        if track is None:
            return None
        epoch, _, file = pieces
        if file.endswith(".mp4"):
            init = track.inits.get(f"{object_keys.folder(self._window.video_id)}/{name}")
            return None if init is None else Answer("video/mp4", init.data, lasting=True)
        numbers = file.removesuffix(".m4s").split(".")
        if len(numbers) > 2 or not all(text.isascii() and text.isdigit() for text in numbers):
            return None
        if len(numbers) == 2:
            return await self._part(track, int(numbers[0]), int(numbers[1]), epoch)
        segment = self._segment(track, int(numbers[0]), epoch)
        if segment is None or not segment.done or not segment.parts:
            return None
        return Answer("video/iso.segment", segment.data, lasting=True)

    async def _part(self, track: Track, number: int, part: int, epoch: str) -> Answer | None:
        """A part. The one that the playlist announces may be asked for before it is there; nothing
        else waits, or one viewer could wait for a hundred thousand."""
        last = track.last
        asked = f"{epoch}/{track.name}/{number}.{part}.m4s"
        if self._low_latency and last and hinted_part(self._window, track, last) == asked:
            await self._changes.until(lambda: self._has(track, number, part), _PART_SECONDS)
        segment = self._segment(track, number, epoch)
        if segment is None or part >= len(segment.parts):
            return None
        return Answer("video/iso.segment", segment.parts[part].data, lasting=True)

    def _segment(self, track: Track, number: int, epoch: str) -> Segment | None:
        """The segment, if it is of this epoch: no address ever names other bytes."""
        segment = track.segments.get(number)
        folder = object_keys.folder(self._window.video_id)
        if segment is None or segment.folder != f"{folder}/{epoch}/{track.name}":
            return None
        return segment
