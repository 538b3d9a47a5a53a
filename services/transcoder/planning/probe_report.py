"""Turns ffprobe's report of a source into facts, and checks them against limits. Pure.

Only the contents decide: the file's name is not used.
"""

import heapq
import math
from collections.abc import Collection, Mapping
from fractions import Fraction
from typing import Final

import msgspec

from services.transcoder.planning.colours import HDR_TRANSFERS, colour_notes, colours_of
from services.transcoder.planning.ffprobe_answer import Frame, ProbeReport, Stream
from services.transcoder.planning.hdr import content_light, dolby_vision, mastering_display
from services.transcoder.planning.joins import Recordings
from services.transcoder.planning.media_errors import rejected
from services.transcoder.planning.orientation import (
    Orientation,
    cropped,
    orientation_of,
)
from services.transcoder.planning.texts import choose_texts
from services.transcoder.planning.tracks import (
    choose_tracks,
    is_unplaced,
    language_of,
    sample_rate,
)
from shared.contracts import AudioTrack, SourceFacts, VideoTrack

MAX_DURATION_S: Final = 24 * 3600
MAX_SIDE: Final = 16_384
MAX_PIXELS: Final = 8192 * 8192
MAX_STREAMS: Final = 64
MAX_PACKETS: Final = 20_000_000

# More frames per second are not visibly better, and exceed the ladder's H.264 levels.
MAX_FRAME_RATE: Final = 60
# Rates that differ less than this share from a standard rate are the standard rate.
RATE_TOLERANCE: Final = Fraction(1, 500)
STANDARD_RATES: Final = tuple(
    Fraction(*rate)
    for rate in (
        (24000, 1001),
        (24, 1),
        (25, 1),
        (30000, 1001),
        (30, 1),
        (48, 1),
        (50, 1),
        (60000, 1001),
        (60, 1),
    )
)

# Containers in which ffmpeg takes a jump of the clock for a gap to be closed. Pictures and sound of
# others may be so far apart.
JUMPING: Final = frozenset(("mpegts", "mpeg"))
# Containers of which ffmpeg moves each track to 0 that it reads alone, and the seconds by which
# tracks may begin later than the file without that being heard.
_MOVED: Final = frozenset(("dhav", "ogg"))
_TOGETHER: Final = 0.05
# The seconds by which the time of a track's next packet jumps on, or back.
_JUMP_ON: Final = 10.0
_JUMP_BACK: Final = 1.0
_BACK_IN_ORDER: Final = 0.5
# Seconds that no clock shows.
_MOST_TIME: Final = 1e9
# Packets after which none is shown before the first: codecs reorder so many at most.
_LEADING: Final = 16
# The codecs that reorder pictures.
_REORDERING: Final = frozenset(
    (
        *("h264", "hevc", "vvc", "evc", "mpeg1video", "mpeg2video", "mpeg4", "vc1", "wmv3"),
        *("rv30", "rv40", "cavs", "avs2", "avs3", "dirac", "svq3"),
    )
)

_FIELD_ORDERS = ("tt", "bb", "tb", "bt")


class ProbedSource(msgspec.Struct, frozen=True):
    """Facts about a source. ``duration`` in seconds; None where the container does not state it.

    ``main``: the index of the stream that determines the duration; ``streams``: those that are
    used. ``start``: the file's first timestamp in seconds. ``seekable``: whether a chunk may begin
    in the middle. ``seconds``: the whole seconds of the file's time in which packets of used
    streams begin; None where not all packets were read. ``cover``: the stream that is the cover of
    a source without a moving picture. ``ordered``: packets state only when they are decoded, and
    pictures are shown in that order. ``jumps``: how often the times of packets jump. ``place``: as
    in ``Extent``. ``apart``: tracks begin at different times, which is lost where each is read
    alone.
    """

    facts: SourceFacts
    frame_rate: Fraction
    duration: float | None
    main: int
    start: float
    seekable: bool
    streams: frozenset[int] = frozenset()
    seconds: frozenset[int] | None = None
    cover: int | None = None
    ordered: bool = False
    jumps: int = 0
    place: int = 0
    stated: float | None = None
    apart: bool = False

    @property
    def in_order(self) -> frozenset[int]:
        """The streams whose packets are stored in the order in which they are heard or shown."""
        video = self.facts.video
        shown = () if video is None or video.codec in _REORDERING else (video,)
        return frozenset(t.stream for t in (*shown, *self.facts.audio) if t.stream is not None)


def read_source(
    report: ProbeReport,
    size: int,
    decoders: Collection[str] | None = None,
    protected: Mapping[int, str] | None = None,
) -> ProbedSource:
    """The facts of a source of ``size`` bytes. Raises MediaRejected.

    ``decoders`` and ``protected`` as for ``choose_tracks``.
    """
    if len(report.streams) > MAX_STREAMS:
        raise rejected("media.too_many_streams", most=str(MAX_STREAMS))
    chosen = choose_tracks(report, decoders, protected)
    video, sounds = chosen.picture, chosen.sounds
    main = video or sounds[0]
    duration = _duration(report, main)
    rate = frame_rate(video) if video else Fraction(0)
    texts, unread = choose_texts(report, protected)
    facts = SourceFacts(
        container=report.format.names[0],
        duration_ms=round((duration or 0) * 1000),
        size=size,
        bit_rate=_integer(report.format.bit_rate),
        video=_video_track(video, _frame(report, video), rate) if video else None,
        audio=tuple(
            AudioTrack(
                index=position,
                stream=stream.index,
                codec=stream.codec_name,
                channels=min(stream.channels, 8),
                sample_rate=sample_rate(stream),
                language=language_of(stream),
                unplaced=is_unplaced(stream),
            )
            for position, stream in enumerate(sounds)
        ),
        notes=chosen.notes + unread + (colour_notes(video) if video else ()),
        texts=texts,
    )
    names, used = report.format.names, (*((video,) if video else ()), *sounds)
    # Others state the length of their sounds in units that may mislead.
    exact = sounds if "mp4" in names or "rm" in names else ()
    return ProbedSource(
        facts,
        rate,
        duration,
        main.index,
        _number(report.format.start_time),
        "mp4" in names or "matroska" in names,
        frozenset(stream.index for stream in used),
        cover=chosen.cover.index if chosen.cover and not video else None,
        ordered="avi" in names and video is not None and video.has_b_frames == 0,
        stated=max(filter(None, (duration, *(_end(report, s) for s in exact))), default=None),
        apart=not _MOVED.isdisjoint(names)
        and any(
            _number(s.start_time) > _number(report.format.start_time) + _TOGETHER for s in used
        ),
    )


class Extent:
    """The true end of a source and its longest frame, from the times of its packets.

    ``main_end``: the end of the main track; ``other_end``: of the others of ``streams``;
    ``any_end``: of all. ``seconds``: the whole seconds in which packets of ``streams`` begin.
    ``timed`` and ``untimed``: how many packets of the main stream say when they are shown, and how
    many do not. ``back``: how often times jump back; ``on``: how often they jump on.
    ``recordings``: those that begin where times jump back. ``in_order``: the streams whose packets
    are stored in the order in which they are heard or shown. ``place``: where the last packet lies
    in the file, in bytes. ``length``: the seconds of the main track's packets together.
    """

    # Packets arrive in decoding order; a frame is shown at most this many places later.
    _REORDER = 32

    def __init__(
        self,
        main: int,
        streams: frozenset[int] = frozenset(),
        in_order: frozenset[int] = frozenset(),
    ) -> None:
        self._main = main
        self._streams = streams | {main}
        self._in_order = in_order
        self._packets = 0
        self._pending: list[float] = []
        self._shown: float | None = None
        self.main_end: float | None = None
        self.other_end: float | None = None
        self.any_end: float | None = None
        self.longest = 0.0
        self.timed = self.untimed = 0
        self.place = 0
        self.length = 0.0
        self.seconds: set[int] = set()
        self.back = self.on = 0
        self.recordings = Recordings()
        # When each used stream ends.
        self.ends: dict[int, float] = {}
        self._last: dict[int, float] = {}
        # The highest time of each used stream, and the highest one before that.
        self._highest: dict[int, tuple[float, float]] = {}
        # The first time of each used stream, and how many packets it had until now.
        self._begun: dict[int, tuple[float, int]] = {}

    def add(self, line: str) -> None:
        """Add one line of ffprobe: stream index, time, duration, place; ``N/A`` where unknown.

        Raises MediaRejected after too many.
        """
        self._packets += 1
        if self._packets > MAX_PACKETS:
            raise rejected("media.too_complex")
        fields = line.split(",")
        if len(fields) < 2 or not fields[0].isdigit():
            return
        place = int(fields[3]) if len(fields) > 3 and fields[3].isdigit() else 0
        self.place = max(self.place, place)
        try:
            time = float(fields[1])
        except ValueError:
            self.untimed += int(fields[0]) == self._main
            return
        if abs(time) > _MOST_TIME:
            # What follows a recording was taken for a packet of it: only decoding tells.
            self.back += 1
            return
        self.timed += int(fields[0]) == self._main
        end = time + (_number(fields[2]) if len(fields) > 2 else 0.0)
        self.any_end = end if self.any_end is None else max(self.any_end, end)
        self._follow(int(fields[0]), time, end - time, place)
        # Longer files are refused.
        if int(fields[0]) in self._streams and len(self.seconds) <= 2 * MAX_DURATION_S:
            self.seconds.add(int(time // 1))
        if int(fields[0]) != self._main:
            if int(fields[0]) in self._streams:
                self.other_end = end if self.other_end is None else max(self.other_end, end)
            return
        self.length += end - time
        self.main_end = end if self.main_end is None else max(self.main_end, end)
        heapq.heappush(self._pending, time)
        if len(self._pending) > self._REORDER:
            self._show(heapq.heappop(self._pending))

    def _follow(self, stream: int, time: float, duration: float, place: int) -> None:
        """Note a stream's end and its jumps.

        Packets are stored in decoding order, so their times go back a little.
        """
        if stream not in self._streams:
            return
        last = self._last.get(stream, time)
        first, before = self._begun.get(stream, (time, 0))
        self._begun[stream] = min(first, time) if before < _LEADING else first, before + 1
        in_order = stream in self._in_order
        later = _BACK_IN_ORDER if in_order else _JUMP_BACK + self._REORDER / 4 * duration
        # Of a short recording that is followed by another, packets do not jump far.
        again = before > (1 if in_order else _LEADING) and time <= first
        # No two pictures are shown at the same time; two fields of one follow each other.
        again = again or (before > 1 and time == first != last)
        highest, reached = self._highest.get(stream, (-math.inf, -math.inf))
        # A picture that was stored after one behind a gap is shown before it, not before others.
        again = again or (time < last - later and (in_order or time <= reached))
        if again or time > highest:
            self._highest[stream] = time, time if again else highest
        self.back += again
        self.recordings.add(stream, time, duration, place, again=again)
        self.on += time > last + _JUMP_ON
        self._last[stream] = time
        self.ends[stream] = max(time + duration, self.ends.get(stream, time))

    def close(self) -> None:
        """Finish after the last line."""
        while self._pending:
            self._show(heapq.heappop(self._pending))
        if self.main_end is not None:
            self._show(self.main_end)

    def _show(self, time: float) -> None:
        if self._shown is not None:
            self.longest = max(self.longest, time - self._shown)
        self._shown = time


def frame_rate(stream: Stream) -> Fraction:
    """The output's constant frame rate: the source's own, halved until it is at most 60."""
    # With a variable frame rate the base rate is far above the average, and the average is closest
    # to what is shown.
    real, average = _fraction(stream.r_frame_rate), _fraction(stream.avg_frame_rate)
    rate = real if 0 < real <= MAX_FRAME_RATE else average or real
    if rate <= 0:
        return Fraction(30)
    while rate > MAX_FRAME_RATE * (1 + RATE_TOLERANCE):
        rate /= 2
    nearest = min(STANDARD_RATES, key=lambda standard: abs(standard - rate))
    if abs(nearest - rate) <= nearest * RATE_TOLERANCE:
        return nearest
    return max(Fraction(1), rate.limit_denominator(1001))


def _frame(report: ProbeReport, stream: Stream) -> Frame:
    """The first decoded frame of a stream; what is known of none is not known."""
    return next((f for f in report.frames if f.stream_index == stream.index), Frame())


def _video_track(stream: Stream, frame: Frame, rate: Fraction) -> VideoTrack:
    if max(stream.width, stream.height) > MAX_SIDE or stream.width * stream.height > MAX_PIXELS:
        raise rejected(
            "media.too_large_picture", width=str(stream.width), height=str(stream.height)
        )
    colours = colours_of(stream, frame)
    turn = orientation_of(frame.side_data_list, stream.side_data_list)
    width, height = _displayed(stream, turn)
    said = [*frame.side_data_list, *stream.side_data_list]
    return VideoTrack(
        codec=stream.codec_name,
        stream=stream.index,
        width=width,
        height=height,
        rotation=turn.rotation,
        mirrored=turn.mirrored,
        frame_rate=f"{rate.numerator}/{rate.denominator}",
        pixel_format=stream.pix_fmt,
        interlaced=stream.field_order in _FIELD_ORDERS or frame.interlaced_frame == 1,
        hdr=colours.transfer in HDR_TRANSFERS,
        colours=colours,
        mastering=mastering_display(said),
        light=content_light(said),
        dolby_vision=dolby_vision(said),
    )


def _displayed(stream: Stream, turn: Orientation) -> tuple[int, int]:
    across, down = cropped(stream.width, stream.height, stream.side_data_list)
    return displayed_size(across, down, stream.sample_aspect_ratio, sideways=turn.sideways)


def displayed_size(width: int, height: int, shape: str, *, sideways: bool) -> tuple[int, int]:
    """Width and height as displayed: square pixels, rotated upright.

    ``shape``: that of the stored pixels, as ``width:height``.
    """
    aspect = pixel_shape(shape)
    wide, high = round(width * max(aspect, 1)), round(height / min(aspect, 1))
    return (high, wide) if sideways else (wide, high)


def pixel_shape(shape: str) -> Fraction:
    """Width by height of a pixel; a square where it is not known, or improbable."""
    aspect = _fraction(shape.replace(":", "/"))
    return aspect if Fraction(1, 10) <= aspect <= 10 else Fraction(1)


def _duration(report: ProbeReport, main: Stream) -> float | None:
    """Seconds, as the main track states, else as the container states."""
    return _seconds(main.duration) or _seconds(report.format.duration)


def _end(report: ProbeReport, stream: Stream) -> float | None:
    """Seconds from the file's beginning until a track ends, as it states."""
    length = _seconds(stream.duration)
    late = _number(stream.start_time) - _number(report.format.start_time)
    return length + max(0.0, late) if length else None


def _number(text: str | None) -> float:
    try:
        value = float(text) if text else 0.0
    except ValueError:
        return 0.0
    return value if abs(value) < 1e9 else 0.0


def _seconds(text: str | None) -> float | None:
    try:
        value = float(text) if text else 0.0
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None


def _fraction(text: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        return Fraction(0)


def _integer(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
