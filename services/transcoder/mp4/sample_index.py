"""The sample index of an MP4 or MOV file: offset, size and times of every frame. Pure.

It is read from the ``moov`` box alone (ISO/IEC 14496-12, 8.5 to 8.7), a small part of the file, so
that a task can then request the bytes that it needs. Every count is checked against the data.
"""

import struct
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise, takewhile
from typing import Final

import msgspec

from services.transcoder.mp4.sample_tables import (
    SampleBudget,
    entry_count,
    needed,
    read_composition,
    read_decode_times,
    read_keys,
    read_offsets,
    read_sizes,
)
from shared.mp4.boxes import Box, MalformedMp4, boxes, find, parsing

_MAX_TRACKS: Final = 32
_MAX_EDITS: Final = 10_000
_NORMAL_RATE: Final = 0x10000
# How often an edit list may show the length of its media.
_MOST_TIMES: Final = 8


class Edits(msgspec.Struct, frozen=True):
    """The effect of a track's edit list; times in ticks.

    ``shift``: add it to media time to get the file's time. ``begin``: nothing is shown before it.
    ``linear``: one run of samples is shown, in order. ``whole``: that run has all samples.
    ``stop``: nothing is shown after it, in the file's time. ``repeats``: media is shown again, or
    in another order than it is stored.
    """

    shift: int
    begin: int | None
    linear: bool
    whole: bool
    stop: int | None = None
    repeats: bool = False


class SampleTrack(msgspec.Struct, frozen=True):
    """One track. Times are in ticks of ``timescale``; ``end`` is the end of the last sample shown.

    ``keys``: the numbers of the samples at which decoding may begin. ``entry``: the first sample
    entry. ``entries``: the number of sample entries. ``number``: the track's place among all tracks
    of the file.
    """

    kind: str
    timescale: int
    sizes: "array[int]"
    offsets: "array[int]"
    decode: "array[int]"
    composition: "array[int]"
    keys: "array[int]"
    edits: "Edits"
    entry: bytes
    entries: int
    end: int
    number: int = 0

    @property
    def count(self) -> int:
        return len(self.sizes)

    @property
    def weight(self) -> int:
        """The memory that the track takes, in bytes."""
        tables = (self.sizes, self.offsets, self.decode, self.composition, self.keys)
        # Without composition offsets, both times are the same table.
        different = {id(table): len(table) * table.itemsize for table in tables}
        return sum(different.values()) + len(self.entry)

    @property
    def shift(self) -> int:
        return self.edits.shift

    def shown(self, sample: int) -> int:
        """The time at which a sample is shown, in ticks of the file's time."""
        return self.composition[sample] + self.shift

    @property
    def start(self) -> float:
        """The time at which the first sample is shown, in seconds of the file's time."""
        first = min(self.composition[:64]) + self.shift
        return max(first, first if self.edits.begin is None else self.edits.begin) / self.timescale

    @property
    def longest(self) -> float:
        """The longest time that a frame is shown, in seconds."""
        times = [*sorted(self.composition), self.end]
        gaps = (later - earlier for earlier, later in pairwise(times))
        return max(gaps, default=0) / self.timescale

    @property
    def finish(self) -> float:
        """The time at which the last sample ends, in seconds of the file's time."""
        return (self.end + self.shift) / self.timescale

    @property
    def until(self) -> float:
        """The time until which its edit list shows or plays it, in seconds of the file's time."""
        last, stop = self.end + self.shift, self.edits.stop
        if stop is None:
            return last / self.timescale
        return (min(last, stop) if self.edits.linear else stop) / self.timescale

    def bytes_between(self, start: float, stop: float, spare: int) -> tuple[int, int]:
        """The bytes from the key frame before ``start`` to ``spare`` samples after ``stop``.

        Both in seconds of the file's time. Sound stored between the frames is in the range.
        """
        first = self._key_before(start)
        last = bisect_right(self.decode, stop * self.timescale - self.shift) + spare
        last = max(first + 1, min(last, self.count))
        ends = map(int.__add__, self.offsets[first:last], self.sizes[first:last])
        return min(self.offsets[first:last]), max(ends)

    def ranges(self, first: int, stop: int, gap: int) -> list[tuple[int, int]]:
        """The ranges of bytes of samples ``first`` up to ``stop``.

        Ranges less than ``gap`` bytes apart are joined.
        """
        found: list[tuple[int, int]] = []
        places = zip(self.offsets[first:stop], self.sizes[first:stop], strict=True)
        for offset, size in sorted(places):
            if found and offset - found[-1][1] < gap:
                found[-1] = found[-1][0], max(found[-1][1], offset + size)
            else:
                found.append((offset, offset + size))
        return found

    def _key_before(self, start: float) -> int:
        wanted = start * self.timescale - self.shift
        place = bisect_right(self.keys, wanted, key=lambda sample: self.composition[sample])
        return self.keys[place - 1] if place else 0


class SampleIndex(msgspec.Struct, frozen=True):
    """The video and sound tracks of a file."""

    tracks: tuple[SampleTrack, ...]

    @property
    def picture(self) -> SampleTrack | None:
        """The only video track; None where there is none or more than one."""
        return self.picture_at(None)

    def picture_at(self, number: int | None) -> SampleTrack | None:
        """The video track with a number; without one, the only video track."""
        found = [track for track in self.tracks if track.kind == "vide"]
        if number is not None:
            found = [track for track in found if track.number == number]
        return found[0] if len(found) == 1 else None

    @property
    def weight(self) -> int:
        """The memory that the index takes, in bytes."""
        return sum(track.weight for track in self.tracks)

    @property
    def seconds(self) -> frozenset[int]:
        """The whole seconds of the file's time in which samples are shown."""
        return frozenset(
            (time + track.shift) // track.timescale
            for track in self.tracks
            for time in track.composition
        )

    @property
    def start(self) -> float:
        """The file's first timestamp in seconds, without the priming samples of sound."""
        return min(track.start for track in self.tracks)

    @property
    def reach(self) -> int:
        """The size in bytes that the file needs to hold every sample."""
        return max((o + s for t in self.tracks for o, s in _pairs(t)), default=0)


def _pairs(track: SampleTrack) -> "zip[tuple[int, int]]":
    return zip(track.offsets, track.sizes, strict=True)


def read_index(moov: bytes, file_size: int) -> SampleIndex:
    """Read a whole ``moov`` box of a file. Raises MalformedMp4 where it holds no usable index."""
    budget = SampleBudget(file_size)
    with parsing():
        outer = find(moov, ("moov",))
        inside = list(boxes(moov, outer.body, outer.end))
        if any(box.kind == "mvex" for box in inside):
            raise MalformedMp4("the file is in fragments")
        header = next((box for box in inside if box.kind == "mvhd"), None)
        if header is None:
            raise MalformedMp4("no mvhd box")
        clock = struct.unpack_from(">I", moov, header.body + (20 if moov[header.body] else 12))[0]
        traks = [box for box in inside if box.kind == "trak"]
        if not traks or len(traks) > _MAX_TRACKS:
            raise MalformedMp4(f"{len(traks)} tracks")
        found = (_track(moov, box, clock, budget) for box in traks)
        tracks = tuple(
            msgspec.structs.replace(track, number=number)
            for number, track in enumerate(found)
            if track
        )
    if not tracks:
        raise MalformedMp4("no track of pictures or sound")
    return SampleIndex(tracks)


def _track(data: bytes, trak: Box, movie_clock: int, budget: SampleBudget) -> SampleTrack | None:
    media = find(data, ("mdia",), trak.body, trak.end)
    handler = find(data, ("hdlr",), media.body, media.end)
    kind = data[handler.body + 8 : handler.body + 12].decode("latin-1")
    if kind not in ("vide", "soun"):
        return None
    header = find(data, ("mdhd",), media.body, media.end)
    clock = struct.unpack_from(">I", data, header.body + (20 if data[header.body] else 12))[0]
    if not clock or not movie_clock:
        raise MalformedMp4("a clock that stands still")
    table = find(data, ("minf", "stbl"), media.body, media.end)
    inside = {box.kind: box for box in boxes(data, table.body, table.end)}
    sizes = read_sizes(data, needed(inside, "stsz"), budget)
    count = len(sizes)
    if not count:
        return None
    decode, end = read_decode_times(data, needed(inside, "stts"), count)
    composition = read_composition(data, inside.get("ctts"), decode)
    edits = _edits(data, trak, Fraction(clock, movie_clock), composition, end)
    samples = find(data, ("stsd",), table.body, table.end)
    entry = next(boxes(data, samples.body + 8, samples.end), None)
    if entry is None:
        raise MalformedMp4("no sample entry")
    return SampleTrack(
        kind=kind,
        timescale=clock,
        sizes=sizes,
        offsets=read_offsets(data, inside, sizes),
        decode=decode,
        composition=composition,
        keys=read_keys(data, inside.get("stss"), count),
        edits=edits,
        entry=data[entry.start : entry.end],
        entries=entry_count(data, samples, 4, 0),
        end=_last_end(composition, decode, end),
    )


def _last_end(composition: "array[int]", decode: "array[int]", end: int) -> int:
    """The end of the sample that is shown last, with the duration of the last one in the file."""
    return max(composition[-64:]) + max(0, end - decode[-1])


def _edits(data: bytes, trak: Box, clocks: Fraction, composition: "array[int]", end: int) -> Edits:
    """Read the edit list. ``clocks``: ticks of the track per tick of the movie."""
    first = min(composition[:64])
    try:
        box = find(data, ("edts", "elst"), trak.body, trak.end)
    except MalformedMp4:
        return Edits(0, None, True, True)
    wide = data[box.body] == 1
    entry = ">Qqi" if wide else ">Iii"
    width = struct.calcsize(entry)
    count = entry_count(data, box, 4, width)
    if count > _MAX_EDITS:
        raise MalformedMp4(f"elst says {count} edits")
    edits = [
        struct.unpack_from(entry, data, box.body + 8 + width * number) for number in range(count)
    ]
    empty = list(takewhile(lambda edit: edit[1] == -1, edits))
    edits = edits[len(empty) :]
    shift = int(sum(edit[0] for edit in empty) * clocks)
    if not edits:
        return Edits(shift, shift, True, True)
    length, start, rate = edits[0]
    frame = max(1, end // len(composition))
    shown = length * clocks
    linear = len(edits) == 1 and rate == _NORMAL_RATE
    whole = (
        linear
        and start <= first + frame // 2
        # A length of zero means: to the end.
        and (not length or start + shown >= max(composition[-64:]) - frame)
    )
    lengths = [edit[0] for edit in edits]
    stop = shift + int(sum(lengths) * clocks) if all(lengths) else None
    # A few bytes can have the same media shown a thousand times: then it is shown once.
    few = sum(lengths) * clocks <= _MOST_TIMES * (end - first)
    repeats = few and _repeats(edits, clocks, frame)
    return Edits(shift - start, shift, linear, whole, stop, repeats)


def _repeats(edits: Sequence[tuple[int, int, int]], clocks: Fraction, frame: int) -> bool:
    """Whether an edit (length, start, rate) begins before the end of the one before it."""
    shown = [edit for edit in edits if edit[1] >= 0]
    return any(
        later[1] + frame <= earlier[1] + earlier[0] * clocks for earlier, later in pairwise(shown)
    )
