"""A recorded live as its session's log tells it: which segments make the video's source. Pure.

The source has one picture, the best that each moment has, and the sound. Where publishers came
back, or ffmpeg began anew, the timeline of the segments jumps; the source's does not.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Final

import msgspec

from shared.contracts import EncodedTrack, Event, LivePublished
from shared.contracts import Segment as LoggedSegment

CONTAINER: Final = "live"
"""What a plan says of its source's container where the source is a recorded live."""

# The names of a session's tracks, which live gives them: the publisher's picture, and the sound.
# Lower renditions are named after their height.
_TOP: Final = "top"
_SOUND: Final = "a"


class RecordedSegment(msgspec.Struct, frozen=True, kw_only=True):
    """A segment in the bucket. ``start`` and ``duration`` in ticks of ``timescale``.

    ``shift``: add these seconds to its times to get the source's.
    """

    key: str
    size: int
    init_key: str
    timescale: int
    start: int
    duration: int
    shift: Fraction
    sound: bool


class _Moment(msgspec.Struct):
    """The segments of one number: of the picture and of the sound."""

    jumps: int
    picture: RecordedSegment | None = None
    rank: int = -1
    sound: RecordedSegment | None = None

    def segments(self) -> Iterator[RecordedSegment]:
        yield from (each for each in (self.picture, self.sound) if each is not None)


def recorded_segments(events: Iterable[Event]) -> list[RecordedSegment]:
    """The segments of a session in the order of their numbers, the picture before the sound."""
    moments: dict[int, _Moment] = {}
    jumps = 0
    for event in events:
        if isinstance(event, LivePublished):
            jumps += event.jump
            for track in event.tracks:
                for segment in track.segments:
                    moment = moments.setdefault(segment.index, _Moment(jumps))
                    _add(moment, track, segment)
    return _joined([moments[number] for number in sorted(moments)])


def _add(moment: _Moment, track: EncodedTrack, segment: LoggedSegment) -> None:
    made = RecordedSegment(
        key=f"{track.key}/{segment.index}.m4s",
        size=segment.size,
        init_key=track.init_key,
        timescale=track.timescale,
        start=segment.start,
        duration=segment.duration,
        shift=Fraction(0),
        sound=track.name == _SOUND,
    )
    if made.sound:
        moment.sound = made
    elif _rank(track.name) > moment.rank:
        moment.picture, moment.rank = made, _rank(track.name)


def _rank(name: str) -> int:
    """Higher for better pictures."""
    if name == _TOP:
        return 1 << 30
    return int(name) if name.isdigit() else 0


def _joined(moments: list[_Moment]) -> list[RecordedSegment]:
    """All segments, with the shift that lets each section go on where the last one has ended."""
    found: list[RecordedSegment] = []
    end = origin = Fraction(0)
    jumps: int | None = None
    position = Fraction(0)
    for moment in moments:
        segments = list(moment.segments())
        if moment.jumps != jumps:
            jumps, position = moment.jumps, end
            origin = min(Fraction(each.start, each.timescale) for each in segments)
        shift = position - origin
        found += [msgspec.structs.replace(each, shift=shift) for each in segments]
        # Sound may go on a little longer than the picture that it belongs to.
        shown = segments[0]
        end = max(end, Fraction(shown.start + shown.duration, shown.timescale) + shift)
    return found
