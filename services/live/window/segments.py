"""Segments and parts of one session in memory, bounded. No I/O."""

import time
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from services.live import object_keys
from services.live.packaging.fragments import Init, Part
from services.live.packaging.layout import Layout
from services.live.window.dash import Anchor, name_of

# Seconds, segments and bytes that a window holds; the bytes of all its tracks.
WINDOW_SECONDS: Final = 60.0
_MAX_SEGMENTS: Final = 40
_MAX_BYTES: Final = 96 << 20
_LEAST_SEGMENTS: Final = 4
# A gap of the length of a segment stops hls.js for good; it plays over one of this.
GAP_SECONDS: Final = 0.05


class Segment(msgspec.Struct, kw_only=True):
    """``at``: Unix seconds of its first picture; ``start`` and ``duration`` in ticks.

    ``jumps``: the discontinuities before it, from the session's beginning on. ``folder``: of its
    object and its parts. ``stored``: its bytes are in the bucket.
    """

    number: int
    folder: str
    init_key: str
    timescale: int
    jumps: int
    start: int
    at: float
    duration: int = 0
    parts: list[Part] = []
    done: bool = False
    gap: bool = False
    stored: bool = False

    @property
    def seconds(self) -> float:
        return GAP_SECONDS if self.gap else self.duration / self.timescale

    @property
    def size(self) -> int:
        return sum(len(part.data) for part in self.parts)

    @property
    def data(self) -> bytes:
        """All bytes; none where they are only in the bucket."""
        return b"".join(part.data for part in self.parts)

    @property
    def key(self) -> str:
        return object_keys.segment(self.folder, self.number)


class Track:
    """One rendition's segments, in the order of their numbers."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.segments: dict[int, Segment] = {}
        self.inits: dict[str, Init] = {}
        self.init: Init | None = None
        self.init_key = ""
        self.peak = 0.0

    @property
    def last(self) -> Segment | None:
        return next(reversed(self.segments.values()), None)

    @property
    def next_number(self) -> int:
        """The number after its last segment; 0 without one."""
        last = self.last
        return last.number + 1 if last is not None else 0

    @property
    def shown(self) -> bool:
        """Whether there is something to play."""
        last = self.last
        return last is not None and (last.done or bool(last.parts))


Finished = Callable[[str, Segment, Init], None]
"""Called with each whole segment, its track and its init segment."""


class Window:
    """The output of a session's ffmpeg, for viewers and for the recording.

    ``next_number`` is the first number that no viewer has seen. ``changed`` is called whenever
    there is more. ``part_delay``: the seconds from the arrival of the newest part's last picture
    until the part was here.
    """

    def __init__(
        self,
        video_id: str,
        *,
        next_number: int = 0,
        jumps: int = 0,
        finished: Finished,
        changed: Callable[[], None],
    ) -> None:
        self.video_id = video_id
        self.epoch = 0
        self.tracks: dict[str, Track] = {}
        self.layout: Layout | None = None
        self.ended = False
        self.part_seconds = 0.35
        self.longest_gop = 0.0
        self.frame_rate = 0.0
        self.part_delay = 0.0
        self.began: float | None = None
        """When the session's first picture is, in Unix seconds."""
        self.anchors: dict[int, Anchor] = {}
        """Where the periods of the segments begin, by the discontinuities before them."""
        self._next = next_number
        self._jumps = jumps
        self._fresh = next_number == 0
        self._finished = finished
        self._changed = changed

    @property
    def next_number(self) -> int:
        """The number after all that exist."""
        return max([self._next, *(track.next_number for track in self.tracks.values())])

    def restore(self, track: str, segment: Segment, init: Init) -> None:
        """A segment of an earlier owner, whose bytes are in the bucket."""
        known = self.tracks.setdefault(track, Track(track))
        known.segments[segment.number] = segment
        known.inits[segment.init_key] = init
        self._next = max(self._next, segment.number + 1)

    def restore_anchors(self, began: float, anchors: Mapping[int, Anchor]) -> None:
        """What earlier owners have begun with, as the log has it."""
        self.began = began or None
        self.anchors = dict(anchors)

    def lose(self, until: int) -> None:
        """Numbers below ``until`` may have named bytes of a lost owner that viewers hold: they stay
        gaps, so that no number ever names other bytes."""
        for track in self.tracks.values():
            self._fill(track, until)
        self._next = max(self._next, until)

    # What ffmpeg makes.

    def begin(self, layout: Layout) -> None:
        """What follows stands behind a discontinuity, except at the very beginning."""
        self.layout = layout
        if not self._fresh:
            self._jumps += 1
        self._fresh = False
        for name in [name for name in self.tracks if name not in layout.tracks]:
            # Players of a rendition that is not made any more switch when it is gone.
            del self.tracks[name]
        for name in layout.tracks:
            track = self.tracks.setdefault(name, Track(name))
            track.init = None

    def init(self, track: str, init: Init) -> None:
        known = self.tracks.get(track)
        if known is None:
            return
        folder = object_keys.track_folder(self.video_id, self.epoch, track)
        known.init = init
        known.init_key = object_keys.init(folder, init.sha256)
        known.inits[known.init_key] = init

    def part(self, track: str, number: int, part: Part, at: float) -> None:
        known = self.tracks.get(track)
        if known is None or known.init is None:
            return
        last = known.last
        if last is None or number > last.number or last.done:
            if last is not None and number <= last.number:
                return
            self._close(known)
            self._fill(known, number)
            last = self._open(known, known.init, number, part, at)
        last.parts.append(part)
        last.duration += part.duration
        self.part_delay = max(0.0, time.time() - last.at - last.seconds)
        self.part_seconds = max(self.part_seconds, part.duration / last.timescale)
        self._bound(known)
        self._changed()

    def end(self) -> None:
        """ffmpeg has ended: segments that are not whole are as whole as they get."""
        for track in self.tracks.values():
            self._close(track)
        self._changed()

    def finish(self) -> None:
        """The session has ended: players need not come back."""
        self.ended = True
        self._changed()

    def _open(self, track: Track, init: Init, number: int, part: Part, at: float) -> Segment:
        # The log keeps microseconds.
        at = round(at, 6)
        segment = Segment(
            number=number,
            folder=object_keys.track_folder(self.video_id, self.epoch, track.name),
            init_key=track.init_key,
            timescale=init.timescale,
            jumps=self._jumps,
            start=part.start,
            at=at,
            parts=[],
        )
        track.segments[number] = segment
        self._note_anchor(track, segment)
        return segment

    def _note_anchor(self, track: Track, segment: Segment) -> None:
        """The first segment of the first picture says when its period begins."""
        if self.layout is None or track.name != self.layout.rungs[0].name:
            return
        if self._jumps not in self.anchors:
            name = name_of(segment.folder, self._jumps)
            self.anchors[self._jumps] = Anchor(name, segment.at, segment.start / segment.timescale)
            self.began = segment.at if self.began is None else self.began
        jumps = {known.jumps for known in track.segments.values()}
        self.anchors = {key: kept for key, kept in self.anchors.items() if key in jumps}

    def _close(self, track: Track) -> None:
        segment = track.last
        if segment is None or segment.done or track.init is None:
            return
        segment.done = True
        if segment.seconds > 0:
            track.peak = max(track.peak, 8 * segment.size / max(segment.seconds, 0.5))
        self._finished(track.name, segment, track.inits[segment.init_key])

    def _fill(self, track: Track, until: int) -> None:
        """Gaps for the numbers between the last segment and ``until``."""
        last = track.last
        if last is None:
            return
        at = last.at + last.seconds
        for number in range(max(last.number + 1, until - _MAX_SEGMENTS), until):
            gap = msgspec.structs.replace(
                last, number=number, at=at, parts=[], duration=0, done=True, gap=True, stored=True
            )
            track.segments[number] = gap
            at += GAP_SECONDS

    def _bound(self, track: Track) -> None:
        """Forget what is older than a minute, or more than the memory of a session."""
        numbers = list(track.segments)
        newest = track.segments[numbers[-1]].at
        share = _MAX_BYTES // max(len(self.tracks), 1)
        size = sum(segment.size for segment in track.segments.values())
        for number in numbers[:-_LEAST_SEGMENTS]:
            segment = track.segments[number]
            old = segment.at < newest - WINDOW_SECONDS
            many = len(track.segments) > _MAX_SEGMENTS
            if not (old or many or size > share):
                break
            size -= segment.size
            del track.segments[number]
        used = {segment.init_key for segment in track.segments.values()} | {track.init_key}
        track.inits = {key: init for key, init in track.inits.items() if key in used}
