"""Which bytes of a track's objects are read to know all of its samples. Pure.

A segment begins with the table of its samples, so the beginning of a large one is enough. Small
ones lie close together: several are read whole with one request.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from services.transcoder.mp4.segment_object import GAP
from shared.contracts import EncodedTrack, Segment
from shared.mp4.boxes import MalformedMp4, boxes

# Of a segment of 4 s at 60 pictures per second the table has 4 KiB.
HEAD_BYTES: Final = 16 * 1024
_SMALL: Final = 192 * 1024
_TOGETHER: Final = 4 * 1024 * 1024


class Reading(msgspec.Struct, frozen=True):
    """Bytes ``start`` to ``end`` (excluded) of an object, and the segments that begin there."""

    key: str
    start: int
    end: int
    segments: tuple[Segment, ...]

    def beginnings(self, data: bytes) -> Iterator[tuple[Segment, bytes]]:
        """Each segment, and what was read of it."""
        for segment in self.segments:
            at = segment.offset - self.start
            yield segment, data[at : at + segment.size]


def readings(part: EncodedTrack) -> Iterator[Reading]:
    """The readings of one part of a track, in the order of its segments."""
    key, together = part.key or "", list[Segment]()
    for segment in part.segments:
        if together and not _joins(together, segment):
            yield _whole(key, together)
            together = []
        if segment.size <= _SMALL:
            together.append(segment)
        else:
            yield Reading(key, segment.offset, segment.offset + HEAD_BYTES, (segment,))
    if together:
        yield _whole(key, together)


def described(segment: Segment, read: bytes) -> bytes | None:
    """A segment of which ``read`` is the beginning, with its tables and no contents.

    None where that is not enough of it.
    """
    padded = read.ljust(segment.size, b"\0")
    try:
        table, media = next(boxes(padded)), list(boxes(padded))[1]
    except (MalformedMp4, IndexError, StopIteration):
        return None
    whole = (table.kind, media.kind, media.end) == ("moof", "mdat", segment.size)
    return padded if whole and media.body <= len(read) else None


def _joins(together: Sequence[Segment], segment: Segment) -> bool:
    last = together[-1]
    near = 0 <= segment.offset - (last.offset + last.size) <= len(GAP)
    fits = segment.offset + segment.size - together[0].offset <= _TOGETHER
    return segment.size <= _SMALL and near and fits


def _whole(key: str, segments: Sequence[Segment]) -> Reading:
    end = segments[-1].offset + segments[-1].size
    return Reading(key, segments[0].offset, end, tuple(segments))
