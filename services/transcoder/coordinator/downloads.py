"""Makes the indices of the files as which a complete video can be had.

A file has the segments as they are stored; an index has the tables before them, and where they lie.
So a file costs no second copy: see ``shared.download_index``.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from itertools import islice
from typing import Final

from services.transcoder.coordinator.media_objects import audible
from services.transcoder.domain.state import Transcode, audio_name
from services.transcoder.mp4.joined_file import JoinedTrack, PlacedTrack, head, tables
from services.transcoder.object_keys import IMMUTABLE
from services.transcoder.planning.download_layout import Layout, lay_out
from services.transcoder.planning.plan import h264_renditions
from services.transcoder.planning.sample_readings import Reading, described, readings
from shared.blobs.store import BlobNotFound, BlobStore
from shared.contracts import (
    DownloadFile,
    DownloadsMade,
    EncodedTrack,
    Rendition,
    StoredObject,
    TranscodePlanned,
)
from shared.download_index import write_index
from shared.mp4.boxes import MalformedMp4
from shared.telemetry import get_logger

_log = get_logger(__name__)

MAX_SAMPLES: Final = 7_000_000
"""The most samples of one file: a day at 30 pictures per second, with sound, has 6.6 million."""

_CONTENT_TYPE: Final = "application/octet-stream"
_AT_ONCE: Final = 6
_PIECE: Final = 1024 * 1024


async def make_downloads(media: BlobStore, video_id: str, state: Transcode) -> DownloadsMade | None:
    """Store the indices of all files of a complete video; returns the event for them.

    None where the video is not complete. What there is already stays. A file whose tables cannot be
    made is left out. Raises BlobNotFound where an object of the video is missing.
    """
    planned = state.planned
    if planned is None or state.phase != "completed":
        return None
    maker = _Maker(media, state, planned)
    found: list[DownloadFile] = []
    for rendition in h264_renditions(planned) or (None,):
        try:
            made = await maker.file(rendition)
        except (MalformedMp4, _TooManySamples) as error:
            name = rendition.name if rendition else ""
            _log.warning("no download", video=video_id, rendition=name, reason=str(error))
            continue
        if made is not None:
            found.append(made)
    return DownloadsMade(video_id=video_id, attempt=state.attempt, files=tuple(found))


class _TooManySamples(Exception):
    """The tables would be too large to be made in memory."""


class _Maker:
    """Makes the indices of one video. The samples of its sound are read once for all of them."""

    def __init__(self, media: BlobStore, state: Transcode, planned: TranscodePlanned) -> None:
        self._media = media
        self._state = state
        self._planned = planned
        self._audible = audible(state, planned)
        self._sounds: list[JoinedTrack] | None = None
        self._inits: dict[str, bytes] = {}

    async def file(self, rendition: Rendition | None) -> DownloadFile | None:
        """The file of a rendition with all sound, of the sound alone without one."""
        sounds = [self._state.audio[audio_name(track.index)].parts for track in self._audible]
        pictures: list[Sequence[EncodedTrack]] = []
        if rendition is not None:
            chunks = self._state.video[rendition.name]
            pictures = [[chunks[number] for number in sorted(chunks)]]
        if not (pictures or sounds):
            return None
        name = rendition.name if rendition else audio_name(self._audible[0].index)
        layout = lay_out([*pictures, *sounds], self._planned.source.duration_ms / 1000)
        key = f"{self._planned.prefix}/downloads/{name}-{layout.mark}.bin"
        known = await self._known(key)
        if known is not None:
            return known
        if self._sounds is None:
            self._sounds = [await self._joined(parts) for parts in sounds]
        tracks = [await self._joined(parts) for parts in pictures] + self._sounds
        if sum(track.count for track in tracks) > MAX_SAMPLES:
            raise _TooManySamples(f"more than {MAX_SAMPLES} samples")
        begin = await asyncio.to_thread(self._beginning, tracks, layout)
        return DownloadFile(
            rendition=name,
            width=rendition.width if rendition else 0,
            height=rendition.height if rendition else 0,
            size=len(begin) + layout.index.size,
            head=len(begin),
            index=await self._store(key, begin, write_index(layout.index)),
        )

    async def _known(self, key: str) -> DownloadFile | None:
        """The file, if its index has been made before and is there."""
        for file in self._state.downloads:
            if file.index.key == key and key not in self._state.lost:
                try:
                    return file if (await self._media.head(key)).size == file.index.size else None
                except BlobNotFound:
                    return None
        return None

    async def _store(self, key: str, begin: bytes, rest: bytes) -> StoredObject:
        mark = hashlib.sha256(begin)
        mark.update(rest)

        async def pieces() -> AsyncIterator[bytes]:
            for at in range(0, len(begin), _PIECE):
                yield begin[at : at + _PIECE]
            yield rest

        await self._media.put_stream(key, pieces(), _CONTENT_TYPE, cache_control=IMMUTABLE)
        return StoredObject(key=key, size=len(begin) + len(rest), sha256=mark.hexdigest())

    def _beginning(self, tracks: Sequence[JoinedTrack], layout: Layout) -> bytes:
        """All of the file before the first segment. Raises MalformedMp4."""
        size = layout.index.size
        # Places do not change the size of the tables that state them.
        before = len(head(size, self._tables(tracks, layout, 0)))
        return head(size, self._tables(tracks, layout, before))

    def _tables(self, tracks: Sequence[JoinedTrack], layout: Layout, before: int) -> bytes:
        pictures = len(tracks) - len(self._audible)
        placed: list[PlacedTrack] = []
        for number, (track, places) in enumerate(zip(tracks, layout.places, strict=True)):
            sound = number - pictures
            placed.append(
                PlacedTrack(
                    track,
                    [before + place for place in places],
                    track.lead(),
                    self._audible[sound].language if sound >= 0 else None,
                    sound <= 0,
                )
            )
        return tables(placed)

    async def _joined(self, parts: Sequence[EncodedTrack]) -> JoinedTrack:
        """The tables of a track. Raises MalformedMp4, BlobNotFound."""
        joined: JoinedTrack | None = None
        for part in parts:
            init = await self._init(part)
            joined = joined or JoinedTrack(init)
            waiting = readings(part)
            while some := list(islice(waiting, _AT_ONCE)):
                found = await asyncio.gather(*(self._segments(reading) for reading in some))
                segments = [segment for read in found for segment in read]
                await asyncio.to_thread(_add, joined, init, segments)
                if joined.count > MAX_SAMPLES:
                    raise _TooManySamples(f"more than {MAX_SAMPLES} samples")
        if joined is None or joined.empty:
            raise MalformedMp4("a track without samples")
        return joined

    async def _segments(self, reading: Reading) -> list[bytes]:
        data = await self._media.read(reading.key, reading.start, reading.end)
        found: list[bytes] = []
        for segment, read in reading.beginnings(data):
            whole = described(segment, read)
            if whole is None:
                end = segment.offset + segment.size
                whole = await self._media.read(reading.key, segment.offset, end)
            found.append(whole)
        return found

    async def _init(self, part: EncodedTrack) -> bytes:
        if part.init_key not in self._inits:
            end = part.init_size or None
            self._inits[part.init_key] = await self._media.read(part.init_key, 0, end)
        return self._inits[part.init_key]


def _add(joined: JoinedTrack, init: bytes, segments: Sequence[bytes]) -> None:
    for segment in segments:
        joined.add(init, segment)
