"""A session as the log tells it: the segments of all tracks, in order. Pure."""

from collections.abc import Iterable, Sequence
from fractions import Fraction

import msgspec

from services.live import object_keys
from services.live.packaging.layout import SOUND
from shared.contracts import Event, LiveClipMade, LiveEnded, LivePublished, LiveRecorded


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A segment that is in the bucket. ``at``: Unix seconds; ``jumps``: discontinuities before."""

    number: int
    key: str
    init_key: str
    codecs: str
    timescale: int
    start: int
    duration: int
    size: int
    key_bytes: int
    jumps: int
    at: float
    epoch: int

    @property
    def seconds(self) -> Fraction:
        return Fraction(self.duration, self.timescale)


class History(msgspec.Struct, frozen=True):
    """All tracks, by name, the publisher's own picture first. ``next_segment``: as the decider
    counts it."""

    video_id: str
    tracks: dict[str, list[Entry]]
    next_segment: int
    ended: bool
    recorded: bool

    @property
    def numbers(self) -> list[int]:
        """The numbers that any track has."""
        return sorted({entry.number for entries in self.tracks.values() for entry in entries})

    @property
    def pictures(self) -> list[str]:
        return [name for name in self.tracks if name != SOUND]

    def reference(self) -> dict[int, Entry]:
        """By number, the segment that says how long it lasts: of the first track that has it."""
        found: dict[int, Entry] = {}
        for entries in self.tracks.values():
            for entry in entries:
                found.setdefault(entry.number, entry)
        return found


def read_history(video_id: str, events: Iterable[Event]) -> History:
    """Fold the events of a session."""
    tracks: dict[str, list[Entry]] = {}
    jumps = following = 0
    ended = recorded = False
    for event in events:
        match event:
            case LivePublished():
                jumps += event.jump
                for name, entries in _entries(event, jumps).items():
                    tracks.setdefault(name, []).extend(entries)
                longest = max((len(track.segments) for track in event.tracks), default=0)
                following = event.first_segment + longest
            case LiveEnded() | LiveClipMade():
                ended = True
            case LiveRecorded():
                recorded = True
            case _:
                pass
    return History(video_id, tracks, following, ended, recorded)


def _entries(event: LivePublished, jumps: int) -> dict[str, list[Entry]]:
    began = event.started_at.timestamp()
    zero = _first_start(event)
    return {
        track.name: [
            Entry(
                number=segment.index,
                key=object_keys.segment(track.key or "", segment.index),
                init_key=track.init_key,
                codecs=track.codecs,
                timescale=track.timescale,
                start=segment.start,
                duration=segment.duration,
                size=segment.size,
                key_bytes=segment.key_bytes or 0,
                jumps=jumps,
                at=began + segment.start / track.timescale - zero,
                epoch=event.epoch,
            )
            for segment in track.segments
        ]
        for track in event.tracks
    }


def _first_start(event: LivePublished) -> float:
    """The time in the timeline that ``started_at`` is of."""
    for track in event.tracks:
        if track.segments:
            return track.segments[0].start / track.timescale
    return 0.0


def through(entries: Sequence[Entry], numbers: Sequence[int]) -> bool:
    """Whether a track has all of these segments."""
    return {entry.number for entry in entries} >= set(numbers)
