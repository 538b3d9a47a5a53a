"""Reads the bytes that a task needs of a source: its sample index once, then one range.

The bytes are written at their offsets into a sparse local file, so that ffmpeg needs neither
network nor URL. Sources without a usable index (other containers, fragmented files, edit lists that
rearrange) are read as a whole by URL.
"""

import asyncio
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Final

import msgspec

from services.transcoder.encoding.ffmpeg import Input
from services.transcoder.encoding.source_relay import SourceRelay
from services.transcoder.mp4.sample_index import SampleIndex, SampleTrack, read_index
from services.transcoder.planning.hidden import Hiding
from services.transcoder.planning.hiding import HEAD_BYTES, hide_track
from services.transcoder.planning.media_errors import MediaRejected, TaskFailed, failed, rejected
from shared.blobs.store import BlobNotFound, BlobStore, BlobStoreUnavailable
from shared.mp4.boxes import MalformedMp4, SamplesMissing
from shared.mp4.sample_entry import hide_settings

_HEAD_BYTES: Final = 256 << 10
_TAIL_BYTES: Final = 1 << 20
_MOOV_BYTES: Final = 64 << 20
_MAX_BOXES: Final = 24
# ffmpeg reads the first frames before it seeks; without them it guesses the stream's parameters.
_FIRST_SAMPLES: Final = 24
_FIRST_BYTES: Final = 2 << 20
# A larger range is read by URL, without a local file.
_PART_BYTES: Final = 1 << 30
# Samples and seconds read past the end, because frames are stored in decoding order.
_SPARE_SAMPLES: Final = 24
_SPARE_SECONDS: Final = 0.25
# ffmpeg seeks by decoding time, to a point slightly before the requested one.
_SEEK_SECONDS: Final = 0.5
# Bytes of cached slices and of the tables read from them.
_CACHE_BYTES: Final = 128 << 20
_KINDS: Final = frozenset({"ftyp", "moov", "mdat", "free", "skip", "wide", "pnot", "udta", "uuid"})
# What follows the tables of a file in fragments.
_FRAGMENTS: Final = frozenset({"moof", "sidx", "styp"})


# The beginning of the names of remuxed copies.
_COPY: Final = "remuxed-"


def copy_key(prefix: str, mark: str) -> str:
    """The key of the remuxed copy of an attempt's source in the media bucket."""
    return f"{prefix}/{_COPY}{mark}.mp4"


def is_copy(key: str) -> bool:
    """Whether ``key`` is the key of a remuxed copy."""
    return copy_mark(key) is not None


def copy_mark(key: str) -> str | None:
    """The beginning of a remuxed copy's SHA-256, in hex; None for other keys."""
    name = key.rpartition("/")[2]
    return name.removeprefix(_COPY).removesuffix(".mp4") if name.startswith(_COPY) else None


class SourceSlice(msgspec.Struct, frozen=True):
    """Bytes of a source, beginning at ``offset``."""

    offset: int
    data: bytes


class IndexedSource(msgspec.Struct, frozen=True):
    """A source with its sample index, and the slices that ffmpeg needs to open it."""

    index: SampleIndex
    pieces: tuple[SourceSlice, ...]
    size: int

    @property
    def weight(self) -> int:
        """The memory that it takes, in bytes."""
        return sum(len(piece.data) for piece in self.pieces) + self.index.weight

    def without_settings(self, number: int) -> "IndexedSource | None":
        """The source as if one sound track did not say how it is decoded; None where it is none.

        All else is in its place, so that ffmpeg reads the rest as before.
        """
        entries = [t.entry for t in self.index.tracks if t.number == number and t.kind == "soun"]
        entry = entries[0] if entries else b""
        hidden = hide_settings(entry)
        if hidden == entry:
            return None
        pieces = [SourceSlice(p.offset, p.data.replace(entry, hidden)) for p in self.pieces]
        return msgspec.structs.replace(self, pieces=tuple(pieces))


class _Walk(msgspec.Struct, frozen=True):
    """The slices read to walk a file's boxes, the moov box as the last one, and where the first
    box of each kind begins."""

    pieces: list[SourceSlice]
    places: dict[str, int]

    def uncounted(self, index: SampleIndex, size: int) -> int:
        """The bytes before ``ftyp`` if somebody has put them there later.

        Then the first sample would begin before the media, and all samples lie as many bytes
        further on.
        """
        before, media = self.places.get("ftyp", 0), self.places.get("mdat", 0)
        first = min(min(track.offsets) for track in index.tracks)
        misplaced = first < media + 8 <= first + before
        return before if misplaced and index.reach + before <= size else 0


class SourceReader:
    """Reads sources from the sources bucket, and remuxed copies from the media bucket.

    The most recently used indexes are cached.
    """

    def __init__(self, store: BlobStore, media: BlobStore, relay: SourceRelay) -> None:
        self._store = store
        self._media = media
        self._relay = relay
        self._known: OrderedDict[str, IndexedSource | None] = OrderedDict()
        self._uncounted: dict[str, int] = {}
        self._reading = asyncio.Lock()

    @property
    def parts(self) -> tuple[BlobStore, BlobStore, SourceRelay]:
        """The buckets of sources and of media, and the relay."""
        return self._store, self._media, self._relay

    def forget(self, key: str) -> None:
        """Drop what is cached of a source, because it may have been read wrongly."""
        self._known.pop(key, None)
        self._uncounted.pop(key, None)

    async def ping(self) -> None:
        """Return where the sources bucket answers. Raises BlobStoreUnavailable."""
        await self._store.ping()

    async def open_whole(self, key: str) -> Input:
        """An address of the source, without what its index does not count.

        Raises MediaRejected, TaskFailed.
        """
        first = self.uncounted(key)
        size = await self.size(key)
        return Input(self._relay.share(self._of(key), key, size, first), remote=True)

    async def without(self, key: str, source: Input, number: int) -> Input | None:
        """``source``, an address of the whole, without track ``number`` too; None where that track
        cannot be hidden.

        Raises MediaRejected, TaskFailed.
        """
        if any(each.number == number for each in source.hidden):
            return None
        size = await self.size(key)
        hiding = Hiding(0, source.hidden)
        head = hiding.add(await self.read(key, 0, min(size, HEAD_BYTES))) + hiding.end()
        found = hide_track(head, number)
        if found is None:
            return None
        hidden = (*source.hidden, found)
        address = self._relay.share(self._of(key), key, size, hidden=hidden)
        return Input(address, remote=True, hidden=hidden)

    def uncounted(self, key: str) -> int:
        """The bytes before a source that its index does not count, as far as it was read."""
        return self._uncounted.get(key, 0)

    async def open_range(
        self, key: str, folder: Path, start: float, stop: float, stream: int | None = None
    ) -> Input:
        """A local file that holds the frames of the video track ``stream`` from ``start`` to
        ``stop`` (seconds), or a URL.

        Raises MediaRejected, TaskFailed.
        """
        known = await self.indexed(key)
        picture = known.index.picture_at(stream) if known else None
        if known is None or picture is None or not picture.edits.linear:
            return await self.open_whole(key)
        begin, end = picture.bytes_between(
            start - _SEEK_SECONDS, stop + _SPARE_SECONDS, _SPARE_SAMPLES
        )
        if end - begin > _PART_BYTES:
            return await self.open_whole(key)
        target = folder / "source"
        await asyncio.to_thread(_write, target, known)
        await self.fetch(key, target, begin, min(end, known.size))
        return Input(str(target), remote=False)

    async def open_outline(self, known: IndexedSource, folder: Path) -> Input:
        """A local file with the source's tables and first frames, which are enough to probe it."""
        target = folder / "outline"
        await asyncio.to_thread(_write, target, known)
        return Input(str(target), remote=False)

    async def read(self, key: str, start: int, end: int) -> bytes:
        """The source's bytes from ``start`` up to ``end``. Raises MediaRejected, TaskFailed."""
        try:
            return await self._of(key).read(key, start, end)
        except BlobNotFound as error:
            raise _missing() from error
        except BlobStoreUnavailable as error:
            raise _unavailable() from error

    async def indexed(self, key: str) -> IndexedSource | None:
        """The source with its index; None where it has none. Raises MediaRejected, TaskFailed."""
        async with self._reading:
            if key not in self._known:
                known = self._known[key] = await self._look(key)
                self._shrink()
                return known
            self._known.move_to_end(key)
            return self._known[key]

    def _shrink(self) -> None:
        def weight() -> int:
            return sum(known.weight for known in self._known.values() if known)

        while len(self._known) > 1 and (weight() > _CACHE_BYTES or len(self._known) > 256):
            self._known.popitem(last=False)

    async def _look(self, key: str) -> IndexedSource | None:
        size = await self.size(key)
        try:
            walk = await self._find_moov(key, size)
            if walk is None:
                return None
            pieces = walk.pieces
            index = await asyncio.to_thread(read_index, pieces[-1].data, size)
        except SamplesMissing as error:
            raise rejected("media.truncated", str(error)) from error
        except (MalformedMp4, struct.error):
            return None
        if index.reach > size:
            # The file is cut short, and read from its beginning as far as it goes.
            return None
        if uncounted := walk.uncounted(index, size):
            self._uncounted[key] = uncounted
            return None
        first = _first_bytes(index.tracks)
        if first is not None:
            begin, end = first[0], min(first[1], size)
            if end > len(pieces[0].data) and begin < end:
                pieces.append(SourceSlice(begin, await self.read(key, begin, end)))
        return IndexedSource(index, tuple(pieces), size)

    async def moov(self, key: str) -> bytes | None:
        """The moov box of a source, in fragments or not. Raises MediaRejected, TaskFailed."""
        walk = await self._find_moov(key, await self.size(key))
        return walk.pieces[-1].data if walk else None

    async def second_follows(self, key: str) -> bool:
        """Whether another MP4 file begins where one ends. Raises MediaRejected, TaskFailed."""
        size, at, seen = await self.size(key), 0, set[str]()
        for _ in range(_MAX_BOXES):
            if at + 16 > size:
                break
            kind, length = _header(await self.read(key, at, at + 16))
            if kind == "ftyp" and {"moov", "mdat"} <= seen:
                return True
            if kind not in _KINDS or length < 8:
                break
            seen.add(kind)
            at += length
        return False

    async def _find_moov(self, key: str, size: int) -> _Walk | None:
        """Walk the top-level boxes to moov and mdat."""
        pieces = [SourceSlice(0, await self.read(key, 0, min(size, _HEAD_BYTES)))]
        at = 0
        moov: SourceSlice | None = None
        seen: dict[str, int] = {}
        for _ in range(_MAX_BOXES):
            if at + 8 > size or {"moov", "mdat"} <= seen.keys():
                break
            piece = next((p for p in pieces if p.offset <= at <= p.offset + len(p.data) - 16), None)
            if piece is None:
                length = _TAIL_BYTES if "mdat" in seen else 16
                piece = SourceSlice(at, await self.read(key, at, min(size, at + length)))
                pieces.append(piece)
            kind, length = _header(piece.data[at - piece.offset :])
            if kind in _FRAGMENTS and moov is not None:
                break
            if kind not in _KINDS or length < 8:
                return None
            if kind == "moov":
                if length > _MOOV_BYTES or at + length > size:
                    return None
                data = piece.data[at - piece.offset :][:length]
                if len(data) < length:
                    data += await self.read(key, at + len(data), at + length)
                moov = SourceSlice(at, data)
            seen.setdefault(kind, at)
            at = size if length == _TO_THE_END else at + length
        return _Walk([*pieces, moov], seen) if moov else None

    async def fetch(self, key: str, target: Path, begin: int, end: int) -> None:
        """Write bytes of a source to their place in a file. Raises MediaRejected, TaskFailed."""
        try:
            with target.open("r+b") as file:
                file.seek(begin)
                async for part in self._of(key).open(key, begin, end):
                    await asyncio.to_thread(file.write, part)
        except BlobNotFound as error:
            raise _missing() from error
        except BlobStoreUnavailable as error:
            raise _unavailable() from error

    def _of(self, key: str) -> BlobStore:
        return self._media if is_copy(key) else self._store

    async def size(self, key: str) -> int:
        """The source's size in bytes. Raises MediaRejected (missing or empty), TaskFailed."""
        size = await self._stored_size(key)
        if size == 0:
            raise rejected("media.empty")
        return size

    async def _stored_size(self, key: str) -> int:
        try:
            return (await self._of(key).head(key)).size
        except BlobNotFound as error:
            raise _missing() from error
        except BlobStoreUnavailable as error:
            raise _unavailable() from error


_TO_THE_END: Final = 1 << 62


def _header(data: bytes) -> tuple[str, int]:
    """A box's type and length in bytes."""
    length, raw = struct.unpack_from(">I4s", data)
    if length == 1:
        length = struct.unpack_from(">Q", data, 8)[0]
    return raw.decode("latin-1"), length or _TO_THE_END


def _first_bytes(tracks: tuple[SampleTrack, ...]) -> tuple[int, int] | None:
    """The range of bytes from the first sample of any track to the first frames of the video."""
    begin = min((min(track.offsets[:1]) for track in tracks), default=None)
    if begin is None:
        return None
    ends = [
        offset + size
        for track in tracks
        if track.kind == "vide"
        for offset, size in zip(
            track.offsets[:_FIRST_SAMPLES], track.sizes[:_FIRST_SAMPLES], strict=True
        )
    ]
    return begin, min(begin + _FIRST_BYTES, max([begin + 65_536, *ends]))


def _write(target: Path, known: IndexedSource) -> None:
    with target.open("wb") as file:
        file.truncate(known.size)
        for piece in known.pieces:
            file.seek(piece.offset)
            file.write(piece.data)


def _missing() -> MediaRejected:
    return rejected("source.missing")


def _unavailable() -> TaskFailed:
    return failed("storage.unavailable")
