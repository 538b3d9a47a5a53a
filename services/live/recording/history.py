"""A session as the log tells it: the segments of all tracks, in order. Pure."""

from collections.abc import Sequence
from fractions import Fraction

import msgspec

from services.live import object_keys
from services.live.packaging.layout import SOUND
from services.live.window.dash import Anchor, name_of
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

    @property
    def length(self) -> float:
        """``seconds`` as it is written; lists of hours are made of it."""
        return self.duration / self.timescale


class History(msgspec.Struct, frozen=True):
    """All tracks, by name, the publisher's own picture first. ``next_segment``: as the decider
    counts it. ``events``: how many were folded; ``jumps``: how many discontinuities they have.

    ``anchors``: where the periods of a manifest begin, by the discontinuities before them;
    ``began`` is when the first one does.
    """

    video_id: str
    tracks: dict[str, list[Entry]] = {}
    next_segment: int = 0
    ended: bool = False
    recorded: bool = False
    events: int = 0
    jumps: int = 0
    anchors: dict[int, Anchor] = {}
    began: float = 0.0

    @property
    def numbers(self) -> list[int]:
        """The numbers that any track has."""
        return sorted({entry.number for entries in self.tracks.values() for entry in entries})

    @property
    def pictures(self) -> list[str]:
        return [name for name in self.tracks if name != SOUND]

    def reference(self) -> dict[int, Entry]:
        """By number, the segment that says how long it lasts: of the first track that has it, of
        sound only where no picture has it."""
        found: dict[int, Entry] = {}
        for name in sorted(self.tracks, key=lambda name: name == SOUND):
            for entry in self.tracks[name]:
                found.setdefault(entry.number, entry)
        return found


def read_history(video_id: str, events: Sequence[Event], before: History | None = None) -> History:
    """Fold the events of a session; those that follow ``before``."""
    before = before or History(video_id)
    tracks = {name: list(entries) for name, entries in before.tracks.items()}
    jumps, following, anchors = before.jumps, before.next_segment, dict(before.anchors)
    ended, recorded = before.ended, before.recorded
    for event in events:
        match event:
            case LivePublished():
                jumps += event.jump
                added = _entries(event, jumps)
                for name, entries in added.items():
                    tracks.setdefault(name, []).extend(entries)
                if jumps not in anchors:
                    anchors |= _anchors(added)
                longest = max((len(track.segments) for track in event.tracks), default=0)
                following = event.first_segment + longest
            case LiveEnded() | LiveClipMade():
                ended = True
            case LiveRecorded():
                recorded = True
            case _:
                pass
    return History(
        video_id=video_id,
        tracks=tracks,
        next_segment=following,
        ended=ended,
        recorded=recorded,
        events=before.events + len(events),
        jumps=jumps,
        anchors=anchors,
        began=before.began or next((anchor.at for anchor in anchors.values()), 0.0),
    )


def newest(history: History, seconds: float) -> History:
    """The history without what is older than so many seconds before its end."""
    last = max((entries[-1].at for entries in history.tracks.values() if entries), default=0.0)
    tracks = {
        name: [entry for entry in entries if entry.at >= last - seconds]
        for name, entries in history.tracks.items()
    }
    tracks = {name: entries for name, entries in tracks.items() if entries}
    jumps = {entry.jumps for entries in tracks.values() for entry in entries}
    anchors = {key: anchor for key, anchor in history.anchors.items() if key in jumps}
    return msgspec.structs.replace(history, tracks=tracks, anchors=anchors)


def _anchors(added: dict[str, list[Entry]]) -> dict[int, Anchor]:
    """A period begins with the first segment of its first picture."""
    for name, entries in added.items():
        if name != SOUND and entries:
            first = entries[0]
            period = name_of(first.key.rpartition("/")[0], first.jumps)
            return {first.jumps: Anchor(period, first.at, first.start / first.timescale)}
    return {}


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
                at=began + (segment.start / track.timescale - zero),
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
