"""How the objects of a complete video lie in one MP4 file. Pure.

The tracks take turns, so that a player that reads from the beginning has picture and sound of the
same moment. A turn has some seconds, because each is a request to the storage.
"""

import hashlib
from array import array
from collections.abc import Sequence
from typing import Final

import msgspec

from services.transcoder.mp4.segment_object import GAP
from shared.contracts import EncodedTrack, Segment
from shared.download_index import DownloadIndex, Run, write_index

# Seconds of one turn, and the most turns: those of a film of a day last 43 s.
_TURN_SECONDS: Final = 10.0
_MAX_TURNS: Final = 2000
# Another number gives other keys to indices of files that are put together otherwise.
_FORMAT: Final = 1


class Layout(msgspec.Struct, frozen=True):
    """``places``: of each track, where each of its segments begins behind the file's beginning."""

    index: DownloadIndex
    places: "tuple[array[int], ...]"

    @property
    def mark(self) -> str:
        """It differs where anything of the file does: keys of objects follow from contents."""
        said = b"%d %b" % (_FORMAT, write_index(self.index))
        return hashlib.sha256(said).hexdigest()[:12]


class _Runs:
    """The runs so far. What lies between two segments of an object goes with them."""

    def __init__(self) -> None:
        self._holders: dict[str, int] = {}
        self._runs: list[Run] = []
        self._size = 0

    def add(self, key: str, segment: Segment) -> int:
        """Add a segment; returns where it begins."""
        holder = self._holders.setdefault(key, len(self._holders))
        last = self._runs[-1] if self._runs else None
        if last is not None and last.holder == holder:
            gap = segment.offset - (last.start + last.size)
            if 0 <= gap <= len(GAP):
                grown = last.size + gap + segment.size
                self._runs[-1] = Run(holder, last.start, grown)
                self._size += gap + segment.size
                return self._size - segment.size
        self._runs.append(Run(holder, segment.offset, segment.size))
        self._size += segment.size
        return self._size - segment.size

    def index(self) -> DownloadIndex:
        return DownloadIndex(tuple(self._holders), tuple(self._runs))


def lay_out(tracks: Sequence[Sequence[EncodedTrack]], seconds: float) -> Layout:
    """The layout of tracks, each of them in the parts that tasks have made of it."""
    turn = max(_TURN_SECONDS, seconds / _MAX_TURNS)
    queues = [
        [
            (segment.start / part.timescale, part.key or "", segment)
            for part in track
            for segment in part.segments
        ]
        for track in tracks
    ]
    places = tuple(array("Q") for _ in tracks)
    reached = [0] * len(queues)
    runs = _Runs()
    while left := [queue[at] for at, queue in zip(reached, queues, strict=True) if at < len(queue)]:
        until = min(begin for begin, _, _ in left) + turn
        for number, queue in enumerate(queues):
            while reached[number] < len(queue) and queue[reached[number]][0] < until:
                _, key, segment = queue[reached[number]]
                places[number].append(runs.add(key, segment))
                reached[number] += 1
    return Layout(runs.index(), places)
