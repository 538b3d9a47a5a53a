"""Writes one plain MP4 file around segments of fragmented MP4 (ISO/IEC 14496-12). Pure.

The file is all segments as they are, and tables that say where in them each sample lies, behind
them or before. So it is written in one pass, whatever its size, and memory holds the tables alone.
A track whose init segments differ has a sample entry for each of them.
"""

import struct
import sys
from array import array
from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import ceil
from typing import Final

import msgspec

from services.transcoder.mp4.fragment_samples import read_runs
from shared.mp4.boxes import Box, MalformedMp4, boxes, find, parsing

_MOVIE_CLOCK: Final = 90_000
_MATRIX: Final = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_LARGE_HEADER: Final = 16
_FTYP: Final = struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"isom", 0x200, b"isom", b"mp41")
_NO_LANGUAGE: Final = "und"
_ENABLED: Final = 1
_IN_MOVIE: Final = 2
_ALTERNATIVES: Final = 1

HEAD_BYTES: Final = len(_FTYP) + _LARGE_HEADER
"""Where the first segment begins, if the tables lie behind the segments."""


def head(media_bytes: int, tables: bytes = b"") -> bytes:
    """What lies before the segments, which have ``media_bytes`` together.

    ``tables``: the ``moov`` box, where it does not follow them.
    """
    return _FTYP + tables + struct.pack(">I4sQ", 1, b"mdat", _LARGE_HEADER + media_bytes)


class _Steps:
    """Values in order, of which equal ones that follow each other are kept as one."""

    def __init__(self) -> None:
        self._counts: array[int] = array("I")
        self._values: array[int] = array("i")

    def add(self, value: int) -> None:
        if self._values and self._values[-1] == value:
            self._counts[-1] += 1
        else:
            self._values.append(value)
            self._counts.append(1)

    @property
    def lowest(self) -> int:
        return min(self._values, default=0)

    @property
    def plain(self) -> bool:
        """Whether all of them are 0."""
        return not any(self._values)

    def table(self, *last: int) -> bytes:
        """How many there are of each value, and the value; ``last`` follow."""
        rows = array("i", (n for row in zip(self._counts, self._values, strict=True) for n in row))
        for value in last:
            rows.extend((1, value))
        return struct.pack(">I", len(rows) // 2) + _packed(rows)


class JoinedTrack:
    """The tables of one track, in the ticks of its first init segment."""

    def __init__(self, init: bytes) -> None:
        self._init = init
        self.timescale = 0
        self.count = 0
        self.segments = 0
        self._entries: list[bytes] = []
        self._durations = _Steps()
        self._offsets = _Steps()
        self._begin = self._last = self._shown_until = 0
        self._sizes: array[int] = array("I")
        self._keys: array[int] = array("I")
        # Segment, place in it, samples, sample entry.
        self._chunks: list[tuple[int, int, int, int]] = []
        self._last_duration = 0

    @property
    def empty(self) -> bool:
        return not self._sizes

    @parsing()
    def add(self, init: bytes, segment: bytes, shift: Fraction = Fraction(0)) -> None:
        """Add the samples of the next segment.

        ``shift``: seconds to be added to its times. Raises MalformedMp4.
        """
        timescale, entry = _description(init)
        self.timescale = self.timescale or timescale
        if entry not in self._entries:
            self._entries.append(entry)
        described = self._entries.index(entry) + 1
        ratio = Fraction(self.timescale, timescale)
        moved = shift * self.timescale
        # Counting in whole numbers is many times as fast.
        whole = ratio == 1 and moved.denominator == 1
        for run in read_runs(segment):
            time = run.start
            if run.samples:
                self._chunks.append((self.segments, run.place, len(run.samples), described))
            for sample in run.samples:
                start = time + int(moved) if whole else round(time * ratio + moved)
                offset = sample.offset if whole else round(sample.offset * ratio)
                lasts = sample.duration if whole else round(sample.duration * ratio)
                self._last_duration = max(1, lasts)
                self._add(start, offset, sample.size)
                if sample.key:
                    self._keys.append(self.count)
                time += sample.duration
        self.segments += 1

    def _add(self, start: int, offset: int, size: int) -> None:
        if self.count:
            # Where times go back a little, as where sections meet, each sample lasts a tick at
            # least.
            start = max(start, self._last + 1)
            self._durations.add(start - self._last)
        else:
            self._begin = self._shown_until = start
        self._last = start
        self._shown_until = max(self._shown_until, start + offset + self._last_duration)
        self.count += 1
        self._offsets.add(offset)
        self._sizes.append(size)

    @property
    def first(self) -> Fraction:
        """When the first sample is decoded, in seconds."""
        return Fraction(self._begin, self.timescale)

    def seconds(self, lead: int = 0) -> Fraction:
        """From ``lead`` ticks after the first sample's decoding to the end of what is shown last.

        That may be decoded earlier than others.
        """
        return Fraction(self._shown_until - self._begin - lead, self.timescale)

    @parsing()
    def lead(self) -> int:
        """The ticks between first decoding and display that the init segment's edit list leaves
        out. Raises MalformedMp4."""
        trak = find(self._init, ("moov", "trak"))
        edits = [box for box in boxes(self._init, trak.body, trak.end) if box.kind == "edts"]
        if not edits:
            return 0
        box = find(self._init, ("elst",), edits[0].body, edits[0].end)
        layout = ">QqI" if self._init[box.body] == 1 else ">IiI"
        rows = struct.iter_unpack(layout, self._init[box.body + 8 : box.end])
        return next((begin for _, begin, _ in rows if begin >= 0), 0)

    def trak(self, number: int, delay: Fraction, placed: "PlacedTrack") -> bytes:
        """The ``trak`` box. ``delay``: the seconds from the file's beginning to the track's.

        Raises MalformedMp4.
        """
        old = find(self._init, ("moov", "trak"))
        media = find(self._init, ("mdia",), old.body, old.end)
        size = self._init[find(self._init, ("tkhd",), old.body, old.end).end - 8 :][:8]
        wait = round(delay * _MOVIE_CLOCK)
        # Rounded up, so that nothing of the last sample is left out.
        length = ceil(self.seconds(placed.lead) * _MOVIE_CLOCK)
        sound = self._kind(media) == b"soun"
        header = struct.pack(">QQIIQ", 0, 0, number, 0, wait + length)
        group, volume = (_ALTERNATIVES, 0x100) if sound else (0, 0)
        rank = struct.pack(">8xhhhh", 0, group, volume, 0)
        language = _packed_language(placed.language)
        ticks = self._last + self._last_duration - self._begin
        clock = struct.pack(">QQIQHH", 0, 0, self.timescale, ticks, language, 0)
        shown = struct.pack(">Qqi", length, placed.lead, 0x10000)
        edits = [struct.pack(">Qqi", wait, -1, 0x10000), shown] if wait else [shown]
        edited = _full("elst", 1, 0, struct.pack(">I", len(edits)), *edits)
        flags = _IN_MOVIE | _ENABLED if placed.enabled else _IN_MOVIE
        return _box(
            "trak",
            _full("tkhd", 1, flags, header, rank, _MATRIX, size),
            _box("edts", edited) if wait or placed.lead else b"",
            _box(
                "mdia",
                _full("mdhd", 1, 0, clock),
                *(self._copied(media, "hdlr")),
                self._information(media, placed.places),
            ),
        )

    def _kind(self, media: Box) -> bytes:
        at = find(self._init, ("hdlr",), media.body, media.end).body + 8
        return self._init[at : at + 4]

    def _copied(self, parent: Box, *kinds: str) -> Iterator[bytes]:
        for box in boxes(self._init, parent.body, parent.end):
            if box.kind in kinds:
                yield self._init[box.start : box.end]

    def _information(self, media: Box, places: Sequence[int]) -> bytes:
        old = find(self._init, ("minf",), media.body, media.end)
        return _box("minf", *self._copied(old, "vmhd", "smhd", "dinf"), self._tables(places))

    def _tables(self, places: Sequence[int]) -> bytes:
        parts = [
            _full("stsd", 0, 0, struct.pack(">I", len(self._entries)), *self._entries),
            _full("stts", 0, 0, self._durations.table(self._last_duration)),
        ]
        if not self._offsets.plain:
            # Players of old know version 0 alone, which has no negative offsets.
            version = 1 if self._offsets.lowest < 0 else 0
            parts.append(_full("ctts", version, 0, self._offsets.table()))
        if len(self._keys) < self.count:
            parts.append(
                _full("stss", 0, 0, struct.pack(">I", len(self._keys)), _packed(self._keys))
            )
        groups = array("I")
        before: tuple[int, int] | None = None
        for number, (_, _, samples, described) in enumerate(self._chunks, 1):
            if (samples, described) != before:
                groups.extend((number, samples, described))
            before = samples, described
        found = array("Q", (places[segment] + place for segment, place, _, _ in self._chunks))
        parts += [
            _full("stsc", 0, 0, struct.pack(">I", len(groups) // 3), _packed(groups)),
            _full("stsz", 0, 0, struct.pack(">II", 0, self.count), _packed(self._sizes)),
            _full("co64", 0, 0, struct.pack(">I", len(found)), _packed(found)),
        ]
        return _box("stbl", *parts)


class PlacedTrack(msgspec.Struct, frozen=True):
    """A track, and the byte of the file at which each of its segments begins.

    ``lead``: the ticks at its beginning that are decoded and not shown. ``language``: of ISO 639,
    in three letters, others are left out. ``enabled``: players play it unless told otherwise.
    """

    track: JoinedTrack
    places: Sequence[int]
    lead: int = 0
    language: str | None = None
    enabled: bool = True


@parsing()
def tables(placed: Sequence[PlacedTrack]) -> bytes:
    """The ``moov`` box. Raises MalformedMp4."""
    tracks = [each.track for each in placed]
    begin = min(track.first for track in tracks)
    length = max(each.track.first + each.track.seconds(each.lead) for each in placed) - begin
    movie = struct.pack(
        ">QQIQIH10x", 0, 0, _MOVIE_CLOCK, round(length * _MOVIE_CLOCK), 0x10000, 0x100
    )
    following = struct.pack(">I", len(tracks) + 1)
    traks = [
        each.track.trak(number, each.track.first - begin, each)
        for number, each in enumerate(placed, 1)
    ]
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


def _packed_language(language: str | None) -> int:
    """Three letters of five bits each (ISO/IEC 14496-12, 8.4.2.3)."""
    letters = language or _NO_LANGUAGE
    if len(letters) != 3 or not (letters.isascii() and letters.islower() and letters.isalpha()):
        letters = _NO_LANGUAGE
    first, second, third = (ord(letter) - 0x60 for letter in letters)
    return first << 10 | second << 5 | third


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
