"""The tables of one track of an MP4 or MOV file (ISO/IEC 14496-12, 8.5 to 8.7). Pure.

A table has at most as many entries as it has bytes for, and samples of one size must be in
proportion to the file, so that no file is read into more memory than its own size explains.
"""

import struct
import sys
from array import array
from itertools import accumulate, chain, pairwise, repeat
from typing import Final

from shared.mp4.boxes import Box, MalformedMp4, SamplesMissing

# Samples of one track (ten hours at 60 frames per second), and of all tracks together. A sample
# takes 32 bytes of memory. A file with more samples is read without an index.
MAX_SAMPLES: Final = 2_200_000
_ALL_SAMPLES: Final = 2 * MAX_SAMPLES
# A file that is cut short has at least one in so many of its bytes.
_CUT: Final = 64


class SampleBudget:
    """What all tracks of a file may have together: samples, and bytes of samples of one size.

    A table with a size for each sample is as long as it says. One with a single size is a few bytes
    for any number of samples, so those samples must be in proportion to the file.
    """

    def __init__(self, file_size: int) -> None:
        self._samples = _ALL_SAMPLES
        self._bytes = _CUT * file_size

    def take(self, count: int, size: int) -> None:
        """Count samples of ``size`` bytes each, 0 if sizes differ. Raises MalformedMp4."""
        self._samples -= count
        self._bytes -= count * size
        if count > MAX_SAMPLES or self._samples < 0:
            raise MalformedMp4(f"stsz says {count} samples")
        if self._bytes < 0:
            raise SamplesMissing(f"{count} samples of {size} bytes exceed the file")


def needed(inside: dict[str, Box], kind: str) -> Box:
    """The box of a kind. Raises MalformedMp4."""
    box = inside.get(kind)
    if box is None:
        raise MalformedMp4(f"no {kind} box")
    return box


def entry_count(data: bytes, box: Box, at: int, width: int) -> int:
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


def read_sizes(data: bytes, box: Box, budget: SampleBudget) -> "array[int]":
    """The size of each sample (stsz) in bytes."""
    fixed, count = struct.unpack_from(">II", data, box.body + 4)
    budget.take(count, fixed)
    if fixed:
        return array("I", [fixed]) * count
    return _numbers("I", data, box.body + 12, entry_count(data, box, 8, 4))


def read_decode_times(data: bytes, box: Box, count: int) -> tuple["array[int]", int]:
    """The decode time of each sample (stts), and the end of the last one, in ticks."""
    runs = _numbers("I", data, box.body + 8, 2 * entry_count(data, box, 4, 8))
    if sum(runs[::2]) != count:
        raise MalformedMp4("stts and stsz do not agree")
    steps = chain.from_iterable(map(repeat, runs[1::2], runs[::2]))
    times = array("q", accumulate(steps, initial=0))
    return times[:-1], times[-1]


def read_composition(data: bytes, box: Box | None, decode: "array[int]") -> "array[int]":
    """The time at which each sample is shown (ctts), in ticks."""
    if box is None:
        return decode
    entries = entry_count(data, box, 4, 8)
    lengths = _numbers("I", data, box.body + 8, 2 * entries)[::2]
    # Signed in every version: writers put negative offsets into version 0 too.
    steps = _numbers("i", data, box.body + 8, 2 * entries)[1::2]
    if sum(lengths) < len(decode):
        raise MalformedMp4("ctts and stsz do not agree")
    delays = chain.from_iterable(map(repeat, steps, lengths))
    return array("q", map(int.__add__, decode, delays))


def read_keys(data: bytes, box: Box | None, count: int) -> "array[int]":
    """The numbers of the key frames (stss); without a table every sample is one."""
    if box is None:
        return array("I", range(count))
    numbers = _numbers("I", data, box.body + 8, entry_count(data, box, 4, 4))
    keys = array("I", (number - 1 for number in numbers if 0 < number <= count))
    if not keys or any(a >= b for a, b in pairwise(keys)):
        raise MalformedMp4("key frames out of order")
    return keys


def read_offsets(data: bytes, inside: dict[str, Box], sizes: "array[int]") -> "array[int]":
    """The place of each sample in the file (stco or co64, stsc) in bytes."""
    wide = "co64" in inside
    box = needed(inside, "co64" if wide else "stco")
    code, width = ("Q", 8) if wide else ("I", 4)
    chunks = _numbers(code, data, box.body + 8, entry_count(data, box, 4, width))
    box = needed(inside, "stsc")
    runs = _numbers("I", data, box.body + 8, 3 * entry_count(data, box, 4, 12))
    if not runs or runs[0] != 1:
        raise MalformedMp4("stsc does not begin with the first chunk")
    if any(earlier >= later for earlier, later in pairwise(runs[::3])):
        raise MalformedMp4("stsc is out of order")
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
