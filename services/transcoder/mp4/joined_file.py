"""Writes one plain MP4 file around segments of fragmented MP4 (ISO/IEC 14496-12). Pure.

The file is a header, all segments as they are, and tables that say where in them each sample lies.
So it is written in one pass, whatever its size, and memory holds the tables alone. A track whose
init segments differ has a sample entry for each of them.
"""

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain, groupby, pairwise
from typing import Final

from services.transcoder.mp4.fragment_samples import read_runs
from shared.mp4.boxes import Box, MalformedMp4, boxes, find, parsing

_MOVIE_CLOCK: Final = 90_000
_MATRIX: Final = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_LARGE_HEADER: Final = 16
_FTYP: Final = struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"isom", 0x200, b"isom", b"mp41")

HEAD_BYTES: Final = len(_FTYP) + _LARGE_HEADER
"""Where the first segment begins."""


def head(media_bytes: int) -> bytes:
    """What lies before the segments, which have ``media_bytes`` together."""
    return _FTYP + struct.pack(">I4sQ", 1, b"mdat", _LARGE_HEADER + media_bytes)


class JoinedTrack:
    """The tables of one track, in the ticks of its first init segment."""

    def __init__(self, init: bytes) -> None:
        self._init = init
        self.timescale = 0
        self._entries: list[bytes] = []
        self._starts: array[int] = array("q")
        self._offsets: array[int] = array("q")
        self._sizes: array[int] = array("I")
        self._keys: array[int] = array("I")
        self._chunks: list[tuple[int, int, int]] = []
        self._last_duration = 0

    @property
    def empty(self) -> bool:
        return not self._sizes

    @parsing()
    def add(self, init: bytes, segment: bytes, place: int, shift: Fraction) -> None:
        """Add the samples of a segment that begins at byte ``place`` of the file.

        ``shift``: seconds to be added to its times. Raises MalformedMp4.
        """
        timescale, entry = _description(init)
        self.timescale = self.timescale or timescale
        if entry not in self._entries:
            self._entries.append(entry)
        described = self._entries.index(entry) + 1
        ratio = Fraction(self.timescale, timescale)
        for run in read_runs(segment):
            time = run.start
            if run.samples:
                self._chunks.append((place + run.place, len(run.samples), described))
            for sample in run.samples:
                self._add(round(time * ratio + shift * self.timescale), sample.size)
                self._offsets.append(round(sample.offset * ratio))
                if sample.key:
                    self._keys.append(len(self._sizes))
                time += sample.duration
                self._last_duration = max(1, round(sample.duration * ratio))

    def _add(self, start: int, size: int) -> None:
        # Where times go back a little, as where sections meet, each sample lasts a tick at least.
        if self._starts:
            start = max(start, self._starts[-1] + 1)
        self._starts.append(start)
        self._sizes.append(size)

    @property
    def first(self) -> Fraction:
        """When the first sample is decoded, in seconds."""
        return Fraction(self._starts[0], self.timescale)

    @property
    def seconds(self) -> Fraction:
        """From the first sample's decoding to the end of the last one's."""
        ticks = self._starts[-1] + self._last_duration - self._starts[0]
        return Fraction(ticks, self.timescale)

    def trak(self, number: int, delay: Fraction) -> bytes:
        """The ``trak`` box. ``delay``: the seconds from the file's beginning to the track's.

        Raises MalformedMp4.
        """
        old = find(self._init, ("moov", "trak"))
        media = find(self._init, ("mdia",), old.body, old.end)
        size = self._init[find(self._init, ("tkhd",), old.body, old.end).end - 8 :][:8]
        length = round(self.seconds * _MOVIE_CLOCK)
        wait = round(delay * _MOVIE_CLOCK)
        sound = self._kind(media) == b"soun"
        header = struct.pack(">QQIIQ", 0, 0, number, 0, wait + length)
        rank = struct.pack(">8xhhhh", 0, 0, 0x100 if sound else 0, 0)
        ticks = self._starts[-1] + self._last_duration - self._starts[0]
        clock = struct.pack(">QQIQHH", 0, 0, self.timescale, ticks, 0x55C4, 0)
        edits = struct.pack(">IQqIQqI", 2, wait, -1, 0x10000, length, 0, 0x10000)
        return _box(
            "trak",
            _full("tkhd", 1, 3, header, rank, _MATRIX, size),
            _box("edts", _full("elst", 1, 0, edits)) if wait else b"",
            _box(
                "mdia",
                _full("mdhd", 1, 0, clock),
                *(self._copied(media, "hdlr")),
                self._information(media),
            ),
        )

    def _kind(self, media: Box) -> bytes:
        at = find(self._init, ("hdlr",), media.body, media.end).body + 8
        return self._init[at : at + 4]

    def _copied(self, parent: Box, *kinds: str) -> Iterator[bytes]:
        for box in boxes(self._init, parent.body, parent.end):
            if box.kind in kinds:
                yield self._init[box.start : box.end]

    def _information(self, media: Box) -> bytes:
        old = find(self._init, ("minf",), media.body, media.end)
        return _box("minf", *self._copied(old, "vmhd", "smhd", "dinf"), self._tables())

    def _tables(self) -> bytes:
        count = len(self._sizes)
        steps = (later - earlier for earlier, later in pairwise(self._starts))
        parts = [
            _full("stsd", 0, 0, struct.pack(">I", len(self._entries)), *self._entries),
            _full("stts", 0, 0, _runs(chain(steps, (self._last_duration,)))),
        ]
        if any(self._offsets):
            parts.append(_full("ctts", 1, 0, _runs(self._offsets)))
        if len(self._keys) < count:
            parts.append(
                _full("stss", 0, 0, struct.pack(">I", len(self._keys)), _packed(self._keys))
            )
        groups = array("I")
        before: tuple[int, int] | None = None
        for number, (_, samples, described) in enumerate(self._chunks, 1):
            if (samples, described) != before:
                groups.extend((number, samples, described))
            before = samples, described
        places = array("Q", (place for place, _, _ in self._chunks))
        parts += [
            _full("stsc", 0, 0, struct.pack(">I", len(groups) // 3), _packed(groups)),
            _full("stsz", 0, 0, struct.pack(">II", 0, count), _packed(self._sizes)),
            _full("co64", 0, 0, struct.pack(">I", len(places)), _packed(places)),
        ]
        return _box("stbl", *parts)


@parsing()
def tables(tracks: list[JoinedTrack]) -> bytes:
    """The ``moov`` box, which lies behind the segments. Raises MalformedMp4."""
    begin = min(track.first for track in tracks)
    length = max(track.first + track.seconds for track in tracks) - begin
    movie = struct.pack(
        ">QQIQIH10x", 0, 0, _MOVIE_CLOCK, round(length * _MOVIE_CLOCK), 0x10000, 0x100
    )
    following = struct.pack(">I", len(tracks) + 1)
    traks = [track.trak(number, track.first - begin) for number, track in enumerate(tracks, 1)]
    return _box("moov", _full("mvhd", 1, 0, movie, _MATRIX, bytes(24), following), *traks)


def _description(init: bytes) -> tuple[int, bytes]:
    """The clock and the first sample entry of an init segment."""
    media = find(init, ("moov", "trak", "mdia"))
    header = find(init, ("mdhd",), media.body, media.end)
    at = header.body + (20 if init[header.body] == 1 else 12)
    timescale = struct.unpack_from(">I", init, at)[0]
    samples = find(init, ("minf", "stbl", "stsd"), media.body, media.end)
    entry = next(boxes(init, samples.body + 8, samples.end), None)
    if entry is None or not timescale:
        raise MalformedMp4("no sample entry, or a clock that stands still")
    return timescale, init[entry.start : entry.end]


def _runs(values: Iterable[int]) -> bytes:
    """A table of equal values that follow each other: how many, and the value."""
    rows = bytearray()
    count = 0
    for value, group in groupby(values):
        rows += struct.pack(">Ii", sum(1 for _ in group), value)
        count += 1
    return struct.pack(">I", count) + bytes(rows)


def _packed(values: "array[int]") -> bytes:
    copied = array(values.typecode, values)
    if sys.byteorder == "little":
        copied.byteswap()
    return copied.tobytes()


def _box(kind: str, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind.encode("latin-1")) + body


def _full(kind: str, version: int, flags: int, *parts: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *parts)
