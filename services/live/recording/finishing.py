"""Makes the video of an ended session: playlists over the segments that are there. No encoding."""

import asyncio
import hashlib
from fractions import Fraction
from typing import Final

from services.live import object_keys
from services.live.packaging.fragments import read_init
from services.live.packaging.layout import SOUND
from services.live.ports import Sessions
from services.live.recording import dash
from services.live.recording.history import Entry, History, read_history
from services.live.recording.playlists import (
    media_playlist,
    multivariant,
    published_renditions,
    shown_pictures,
)
from shared.blobs.store import BlobStore, BlobStoreUnavailable
from shared.contracts import LiveRecorded, StoredObject
from shared.mp4.fragment_reader import read_fragments

_HLS: Final = "application/vnd.apple.mpegurl"


class VideoRecorder:
    """A port's ``Recorder``, for whichever replica leads."""

    def __init__(self, sessions: Sessions, blobs: BlobStore) -> None:
        self._sessions = sessions
        self._blobs = blobs

    async def record(self, video_id: str) -> None:
        """Write all playlists, read them back, and record the video. May be repeated.

        A session without a single segment is no video: nothing is recorded. Raises Fenced,
        BlobStoreUnavailable.
        """
        history = read_history(video_id, await self._sessions.history(video_id))
        if history.recorded or not history.ended or not history.pictures:
            return
        sizes = await picture_sizes(self._blobs, history)
        texts = _texts(history, sizes)
        stored = await asyncio.gather(*(self._put(key, *text) for key, text in texts.items()))
        reference = history.reference()
        top = shown_pictures(history)[0]
        renditions = published_renditions(history, sizes, await self._frame_rate(history, top))
        width, height = sizes.get(top, (0, 0))
        folder = object_keys.folder(video_id)
        milliseconds = 1000 * sum((entry.seconds for entry in reference.values()), Fraction(0))
        recorded = LiveRecorded(
            video_id=video_id,
            playlist_key=f"{folder}/{object_keys.RECORDED}",
            dash_key=f"{folder}/{object_keys.RECORDED_DASH}",
            duration_ms=round(milliseconds),
            width=width,
            height=height,
            renditions=tuple(renditions),
            size=sum(entry.size for entries in history.tracks.values() for entry in entries),
            playlists=tuple(stored),
        )
        await self._sessions.recorded(recorded, history.next_segment)

    async def _put(self, key: str, data: bytes, content_type: str) -> StoredObject:
        await self._blobs.put(key, data, content_type)
        if await self._blobs.read(key) != data:
            raise BlobStoreUnavailable(f"{key} was stored, and reads differently")
        return StoredObject(key=key, size=len(data), sha256=hashlib.sha256(data).hexdigest())

    async def _frame_rate(self, history: History, track: str) -> str:
        """Frames a second of the first whole segment, as a fraction."""
        longest = max(history.tracks[track][:4], key=lambda entry: entry.seconds)
        return await _measured_rate(self._blobs, longest)


async def _measured_rate(blobs: BlobStore, entry: Entry) -> str:
    fragments = read_fragments(await blobs.read(entry.key))
    frames = sum(fragment.samples for fragment in fragments)
    ticks = sum(fragment.duration for fragment in fragments)
    rate = Fraction(frames * entry.timescale, ticks) if ticks else Fraction(0)
    # Times of publishers are whole milliseconds, so the rate is only nearly what it was.
    near = rate.limit_denominator(2)
    found = near if abs(near - rate) < Fraction(1, 50) else rate.limit_denominator(1001)
    return f"{found.numerator}/{found.denominator}"


async def picture_sizes(blobs: BlobStore, history: History) -> dict[str, tuple[int, int]]:
    """Width and height of each rendition's last init segment."""
    found: dict[str, tuple[int, int]] = {}
    for name in history.pictures:
        init = read_init(await blobs.read(history.tracks[name][-1].init_key))
        found[name] = init.width, init.height
    return found


def _texts(history: History, sizes: dict[str, tuple[int, int]]) -> dict[str, tuple[bytes, str]]:
    """All playlists and the manifest, by key, with their content types."""
    folder = object_keys.folder(history.video_id)
    texts: dict[str, tuple[bytes, str]] = {}
    names = [*shown_pictures(history), *([SOUND] if SOUND in history.tracks else [])]
    for name in names:
        text = media_playlist(history, name) or ""
        texts[f"{folder}/{object_keys.recorded_playlist(name)}"] = text.encode(), _HLS
    master = multivariant(history, sizes, object_keys.recorded_playlist) or ""
    texts[f"{folder}/{object_keys.RECORDED}"] = master.encode(), _HLS
    manifest = dash.manifest(history, sizes)
    texts[f"{folder}/{object_keys.RECORDED_DASH}"] = manifest, dash.CONTENT_TYPE
    return texts
