"""Which stored segments make the next batch of the log. Pure.

A batch has the same numbers of all tracks, as far as a track has them, and no discontinuity inside.
"""

import datetime
import hashlib
from collections.abc import Collection, Sequence
from typing import Final

from services.live.packaging.layout import SOUND, TOP
from services.live.recording.segment_queue import Item
from shared.contracts import EncodedTrack, LivePublished

# Seconds of media in a batch; the first one is of a single segment, so that plain HLS works early.
_BATCH_SECONDS: Final = 8.0
# A track that is so many segments behind the newest is not awaited any more.
_SILENT_SEGMENTS: Final = 5


class Batches:
    """Stored segments until they are in the log. ``jumps``: as the log has them."""

    def __init__(self, video_id: str, next_segment: int, jumps: int) -> None:
        self._video_id = video_id
        self._next = next_segment
        self._jumps = jumps
        self._first = True
        # By number, then by track.
        self._stored: dict[int, dict[str, Item]] = {}
        self._newest: dict[str, int] = {}
        self._given: list[Item] = []

    @property
    def next_segment(self) -> int:
        """The number after those that are in the log."""
        return self._next

    def stored(self, item: Item) -> None:
        """A segment is in the bucket."""
        self._newest[item.track] = max(item.number, self._newest.get(item.track, -1))
        if item.number >= self._next:
            self._stored.setdefault(item.number, {})[item.track] = item

    def forget_from(self, number: int) -> None:
        """No track has segments from this number on."""
        self._stored = {at: items for at, items in self._stored.items() if at < number}

    def batch(self, expected: Collection[str], *, everything: bool = False) -> list[Item]:
        """The items of the next batch; none while there is too little. ``expected``: the tracks
        that are being made.

        ``everything``: nothing follows, so segments that some track does not have are whole, too.

        Until it is ``published`` it stays the same: the log may have it though the answer was lost,
        and takes a larger one with the same beginning for its repetition.
        """
        if not self._given:
            self._given = self._next_batch(expected, everything=everything)
        return self._given

    def _next_batch(self, expected: Collection[str], *, everything: bool) -> list[Item]:
        numbers: list[int] = []
        for number in sorted(self._stored):
            if not everything and not self._whole(number, expected):
                break
            if numbers and not self._alike(numbers[0], number):
                break
            numbers.append(number)
        items = [item for number in numbers for item in self._stored[number].values()]
        if not items:
            return []
        border = numbers[-1] != max(self._stored) and not self._alike(
            numbers[0], min(number for number in self._stored if number > numbers[-1])
        )
        enough = everything or border or self._first
        return items if enough or self._seconds(numbers) >= _BATCH_SECONDS else []

    def _whole(self, number: int, expected: Collection[str]) -> bool:
        """Whether all tracks have this segment, or a later one, or are far behind: silent."""
        silent = max(self._stored) - _SILENT_SEGMENTS
        return number <= silent or all(self._newest.get(name, -1) >= number for name in expected)

    def _alike(self, one: int, other: int) -> bool:
        """Whether no discontinuity and no other init segment lies between two numbers."""
        before, after = self._stored[one], self._stored[other]
        jumps = {item.jumps for item in (*before.values(), *after.values())}
        same = (before[t].init_key == after[t].init_key for t in before.keys() & after.keys())
        return len(jumps) == 1 and all(same)

    def _seconds(self, numbers: Sequence[int]) -> float:
        items = [next(iter(self._stored[number].values())) for number in numbers]
        return sum(item.facts.duration / item.init.timescale for item in items)

    def event(self, epoch: int, items: Sequence[Item]) -> LivePublished:
        """The event that says that ``items`` are there."""
        items = sorted(items, key=lambda item: (_place(item.track), item.number))
        first = min(items, key=lambda item: item.number)
        return LivePublished(
            video_id=self._video_id,
            epoch=epoch,
            first_segment=first.number,
            started_at=datetime.datetime.fromtimestamp(first.at, datetime.UTC),
            tracks=tuple(
                _track([item for item in items if item.track == name])
                for name in dict.fromkeys(item.track for item in items)
            ),
            jump=first.jumps > self._jumps,
        )

    def published(self, items: Sequence[Item]) -> None:
        """The event of ``items`` is in the log."""
        for item in items:
            self._stored.pop(item.number, None)
            self._next = max(self._next, item.number + 1)
            self._jumps = max(self._jumps, item.jumps)
        self._given = []
        self._first = False


def _place(track: str) -> int:
    """The publisher's own picture comes first, so that the batch's time is of it."""
    return 0 if track == TOP else 2 if track == SOUND else 1


def _track(items: Sequence[Item]) -> EncodedTrack:
    first = items[0]
    marks = hashlib.sha256("".join(item.sha256 for item in items).encode()).hexdigest()
    return EncodedTrack(
        name=first.track,
        timescale=first.init.timescale,
        codecs=first.init.codecs,
        init_key=first.init_key,
        init_sha256=first.init.sha256,
        init_size=len(first.init.data),
        key=first.folder,
        segments=tuple(item.facts for item in sorted(items, key=lambda item: item.number)),
        sha256=marks,
    )
