"""The sample index of an MP4 or MOV file: offset, size and times of every frame. Pure.

It is read from the ``moov`` box alone (ISO/IEC 14496-12, 8.5 to 8.7), a small part of the file, so
that a task can then request the bytes that it needs. Every count is checked against the data.
"""

import struct
import sys
from array import array
from bisect import bisect_right
from fractions import Fraction
from itertools import accumulate, chain, pairwise, repeat
from typing import Final

import msgspec

from services.transcoder.mp4.boxes import Box, MalformedMp4, boxes, find

# Ten hours at 60 frames per second. A file with more samples is read without an index.
MAX_SAMPLES: Final = 2_200_000
_MAX_TRACKS: Final = 32
_NORMAL_RATE: Final = 0x10000


class Edits(msgspec.Struct, frozen=True):
    """The effect of a track's edit list; times in ticks.

    ``shift``: add it to media time to get the file's time. ``begin``: nothing is shown before it.
    ``linear``: one run of samples is shown, in order. ``whole``: that run has all samples.
    """

    shift: int
    begin: int | None
    linear: bool
    whole: bool


class SampleTrack(msgspec.Struct, frozen=True):
    """One track. Times are in ticks of ``timescale``; ``end`` is the end of the last sample shown.

    ``keys``: the numbers of the samples at which decoding may begin. ``entry``: the first sample
    entry. ``entries``: the number of sample entries.
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

    @property
    def count(self) -> int:
        return len(self.sizes)

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
        """The longest time between two frames, in seconds."""
        times = sorted(self.composition)
        gaps = (later - earlier for earlier, later in pairwise(times))
        return max(gaps, default=0) / self.timescale

    @property
    def finish(self) -> float:
        """The time at which the last sample ends, in seconds of the file's time."""
        return (self.end + self.shift) / self.timescale

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
        found = [track for track in self.tracks if track.kind == "vide"]
        return found[0] if len(found) == 1 else None

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


def read_index(moov: bytes) -> SampleIndex:
    """Read a whole ``moov`` box. Raises MalformedMp4 where it holds no usable index."""
    try:
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
        tracks = tuple(t for t in (_track(moov, b, clock) for b in traks) if t)
    except (struct.error, IndexError, ZeroDivisionError, OverflowError) as error:
        raise MalformedMp4(f"a table is cut off: {error}") from error
    if not tracks:
        raise MalformedMp4("no track of pictures or sound")
    return SampleIndex(tracks)


def _track(data: bytes, trak: Box, movie_clock: int) -> SampleTrack | None:
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
    sizes = _sizes(data, _needed(inside, "stsz"))
    count = len(sizes)
    if not count:
        return None
    decode, end = _decode_times(data, _needed(inside, "stts"), count)
    composition = _composition(data, inside.get("ctts"), decode)
    edits = _edits(data, trak, Fraction(clock, movie_clock), composition, end)
    samples = find(data, ("stsd",), table.body, table.end)
    entry = next(boxes(data, samples.body + 8, samples.end), None)
    if entry is None:
        raise MalformedMp4("no sample entry")
    return SampleTrack(
        kind=kind,
        timescale=clock,
        sizes=sizes,
        offsets=_offsets(data, inside, sizes),
        decode=decode,
        composition=composition,
        keys=_keys(data, inside.get("stss"), count),
        edits=edits,
        entry=data[entry.start : entry.end],
        entries=_count(data, samples, 4, 0),
        end=_last_end(composition, decode, end),
    )


def _last_end(composition: "array[int]", decode: "array[int]", end: int) -> int:
    """The end of the sample that is shown last, with the duration of the last one in the file."""
    return max(composition[-64:]) + max(0, end - decode[-1])


def _needed(inside: dict[str, Box], kind: str) -> Box:
    box = inside.get(kind)
    if box is None:
        raise MalformedMp4(f"no {kind} box")
    return box


def _count(data: bytes, box: Box, at: int, width: int) -> int:
    """Read the count at ``at`` in a box. Raises MalformedMp4 where its entries are cut off.

    Entries have ``width`` bytes.
    """
    count = struct.unpack_from(">I", data, box.body + at)[0]
    if count > MAX_SAMPLES or box.body + at + 4 + count * width > box.end:
        raise MalformedMp4(f"{box.kind} says {count} entries")
    return count


def _numbers(code: str, data: bytes, start: int, count: int) -> "array[int]":
    numbers: array[int] = array(code)
    numbers.frombytes(data[start : start + count * numbers.itemsize])
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


def _sizes(data: bytes, box: Box) -> "array[int]":
    fixed, count = struct.unpack_from(">II", data, box.body + 4)
    if fixed:
        if count > MAX_SAMPLES:
            raise MalformedMp4(f"stsz says {count} samples")
        return array("I", [fixed]) * count
    return _numbers("I", data, box.body + 12, _count(data, box, 8, 4))


def _decode_times(data: bytes, box: Box, count: int) -> tuple["array[int]", int]:
    runs = _numbers("I", data, box.body + 8, 2 * _count(data, box, 4, 8))
    if sum(runs[::2]) != count:
        raise MalformedMp4("stts and stsz do not agree")
    steps = chain.from_iterable(map(repeat, runs[1::2], runs[::2]))
    times = array("q", accumulate(steps, initial=0))
    return times[:-1], times[-1]


def _composition(data: bytes, box: Box | None, decode: "array[int]") -> "array[int]":
    if box is None:
        return decode
    entries = _count(data, box, 4, 8)
    lengths = _numbers("I", data, box.body + 8, 2 * entries)[::2]
    # Signed in every version: writers put negative offsets into version 0 too.
    steps = _numbers("i", data, box.body + 8, 2 * entries)[1::2]
    if sum(lengths) < len(decode):
        raise MalformedMp4("ctts and stsz do not agree")
    delays = chain.from_iterable(map(repeat, steps, lengths))
    return array("q", map(int.__add__, decode, delays))


def _keys(data: bytes, box: Box | None, count: int) -> "array[int]":
    if box is None:
        return array("I", range(count))
    numbers = _numbers("I", data, box.body + 8, _count(data, box, 4, 4))
    keys = array("I", (number - 1 for number in numbers if 0 < number <= count))
    if not keys or any(a >= b for a, b in pairwise(keys)):
        raise MalformedMp4("key frames out of order")
    return keys


def _offsets(data: bytes, inside: dict[str, Box], sizes: "array[int]") -> "array[int]":
    wide = "co64" in inside
    box = _needed(inside, "co64" if wide else "stco")
    code, width = ("Q", 8) if wide else ("I", 4)
    chunks = _numbers(code, data, box.body + 8, _count(data, box, 4, width))
    box = _needed(inside, "stsc")
    runs = _numbers("I", data, box.body + 8, 3 * _count(data, box, 4, 12))
    if not runs or runs[0] != 1:
        raise MalformedMp4("stsc does not begin with the first chunk")
    offsets: array[int] = array("Q")
    count = len(sizes)
    for run in range(0, len(runs), 3):
        first, per_chunk = runs[run] - 1, runs[run + 1]
        last = runs[run + 3] - 1 if run + 3 < len(runs) else len(chunks)
        for chunk in chunks[first:last]:
            at = len(offsets)
            part = sizes[at : at + per_chunk]
            if not part:
                break
            offsets.extend(accumulate(part[:-1], initial=chunk))
    if len(offsets) != count:
        raise MalformedMp4("stsc and stsz do not agree")
    return offsets


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
    edits = [
        struct.unpack_from(entry, data, box.body + 8 + width * number)
        for number in range(_count(data, box, 4, width))
    ]
    empty = 0
    while edits and edits[0][1] == -1:
        empty += edits.pop(0)[0]
    shift = int(empty * clocks)
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
    return Edits(shift - start, shift, linear, whole)
