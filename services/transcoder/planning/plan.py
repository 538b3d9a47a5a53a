"""A source's facts and the policy → renditions, chunks and tasks. Pure.

The output's timeline is cut into segments of whole frames, the same in every rendition; a chunk is
a run of segments that one task encodes. The first chunks are short so that something plays soon,
the later ones long so that little is decoded twice. Where the source itself is the top rendition,
segments begin where its key frames are.
"""

from fractions import Fraction
from itertools import pairwise
from typing import Final, Literal

import msgspec

from shared.contracts import Chunk, Rendition, SourceFacts, TranscodePlanned

SEGMENT_SECONDS: Final = 4
# No segment that follows the source's key frames has more frames than this.
LONGEST_FRAMES: Final = 1000
# In segments: 4, 8, 16, then 28 seconds.
CHUNK_SEGMENTS: Final = (1, 2, 4, 7)


class Timeline(msgspec.Struct, frozen=True):
    """The output's frames: how many fill a segment, and how many ticks each lasts.

    ``borders``: the first frame of each segment, where segments are not equally long; then
    ``segment_frames`` is how many the longest has, the last one aside.
    """

    frame_rate: Fraction
    segment_frames: int
    borders: tuple[int, ...] = ()

    @property
    def timescale(self) -> int:
        """Ticks per second such that a frame is a whole number of them."""
        numerator = self.frame_rate.numerator
        return numerator if numerator >= 10_000 else numerator * 1000

    @property
    def frame_ticks(self) -> int:
        return int(self.timescale / self.frame_rate)

    @property
    def segment_ms(self) -> int:
        return round(1000 * self.segment_frames / self.frame_rate)

    def segments(self, frames: int) -> int:
        """How many segments ``frames`` frames fill."""
        return len(self.borders) or -(-frames // self.segment_frames)

    def first_frame(self, segment: int) -> int:
        """The frame that a segment begins with; for one past the end, none that there is."""
        if not self.borders:
            return segment * self.segment_frames
        if segment < len(self.borders):
            return self.borders[segment]
        return self.borders[-1] + max(self.segment_frames, LONGEST_FRAMES)


def timeline(frame_rate: Fraction) -> Timeline:
    """Segments of about four seconds at a frame rate."""
    return Timeline(frame_rate, max(1, round(SEGMENT_SECONDS * frame_rate)))


def timeline_along(frame_rate: Fraction, borders: tuple[int, ...]) -> Timeline:
    """Segments that begin at some frames, the first of them 0."""
    usual = timeline(frame_rate).segment_frames
    longest = max((later - earlier for earlier, later in pairwise(borders)), default=usual)
    return Timeline(frame_rate, longest, borders)


def timeline_of(planned: TranscodePlanned) -> Timeline:
    """The timeline of a plan in the log."""
    rate = Fraction(planned.renditions[0].frame_rate)
    if planned.borders:
        return timeline_along(rate, planned.borders)
    return Timeline(rate, max(1, round(planned.segment_ms * rate / 1000)))


def chunks(line: Timeline, duration: float, *, splittable: bool = True) -> tuple[Chunk, ...]:
    """The chunks of ``duration`` seconds. One, if the source cannot be read from its middle."""
    frames = max(1, round(duration * line.frame_rate))
    total = line.segments(frames)
    cut: list[Chunk] = []
    start = 0
    while start < total:
        wanted = CHUNK_SEGMENTS[min(len(cut), len(CHUNK_SEGMENTS) - 1)] if splittable else total
        count = min(wanted, total - start)
        # A scrap at the end is not worth a task of its own.
        if cut and total - start - count <= wanted // 4:
            count = total - start
        first_frame = line.first_frame(start)
        last = start + count == total
        stop = frames if last else line.first_frame(start + count)
        cut.append(
            Chunk(
                index=len(cut),
                first_segment=start,
                segments=count,
                first_frame=first_frame,
                frames=stop - first_frame,
            )
        )
        start += count
    return tuple(cut)


class VideoTask(msgspec.Struct, frozen=True):
    """One chunk of some renditions: encoded, or, as ``kind`` says, only cut from the source.

    ``cost`` is CPU seconds as guessed beforehand.
    """

    name: str
    chunk: int
    renditions: tuple[str, ...]
    priority: int
    cost: float
    kind: Literal["video", "remux"] = "video"


# CPU seconds per frame of 1080p at the presets in use, as measured; a smaller frame in proportion.
_DECODE_COST: Final = 0.03
_ENCODE_COST: Final = 0.09
_PIXELS_1080P: Final = 1920 * 1080
# Reading, cutting and storing a megabyte.
_REMUX_COST: Final = 0.01


def passthrough_rendition(planned: TranscodePlanned) -> Rendition | None:
    """The rendition that is the source itself, if there is one."""
    return next((rendition for rendition in planned.renditions if rendition.passthrough), None)


def h264_renditions(planned: TranscodePlanned) -> tuple[Rendition, ...]:
    """The renditions that everybody can play: those in H.264, largest first."""
    return tuple(each for each in planned.renditions if each.video_codec == "h264")


def video_tasks(planned: TranscodePlanned) -> tuple[VideoTask, ...]:
    """The picture's tasks of a plan, in the order in which they should be done.

    What makes the video playable goes first: the source's own pictures, else the lowest rendition
    of the first chunk, alone. The other renditions follow, those in extra codecs last.
    """
    tasks = list(_h264_tasks(planned))
    for codec in dict.fromkeys(each.video_codec for each in planned.renditions):
        names = tuple(each.name for each in planned.renditions if each.video_codec == codec)
        if codec != "h264":
            tasks += [_task(planned, chunk, names, 3) for chunk in planned.chunks]
    return tuple(tasks)


def _h264_tasks(planned: TranscodePlanned) -> tuple[VideoTask, ...]:
    names = tuple(rendition.name for rendition in h264_renditions(planned))
    if passthrough_rendition(planned) is not None:
        cut = [_remux_task(planned, chunk, names[0]) for chunk in planned.chunks]
        return (*cut, *(_task(planned, chunk, names[1:], 3) for chunk in planned.chunks))
    tasks: list[VideoTask] = []
    for chunk in planned.chunks:
        if chunk.index == 0 and len(names) > 1 and len(planned.chunks) > 1:
            tasks.append(_task(planned, chunk, names[-1:], 0))
            tasks.append(_task(planned, chunk, names[:-1], 1))
        else:
            tasks.append(_task(planned, chunk, names, min(chunk.index, 2)))
    return tuple(tasks)


def video_task_name(chunk: int, lowest: str) -> str:
    """The name of the task that encodes a chunk's renditions down to ``lowest``."""
    return f"chunk-{chunk:05d}-{lowest}"


def _task(
    planned: TranscodePlanned, chunk: Chunk, names: tuple[str, ...], priority: int
) -> VideoTask:
    chosen = [rendition for rendition in planned.renditions if rendition.name in names]
    frames = chunk.frames or 0
    cost = frames * (_pixels(planned.source) * _DECODE_COST + _ENCODE_COST * _shares(chosen))
    return VideoTask(
        video_task_name(chunk.index, names[-1]), chunk.index, names, priority, max(0.1, cost)
    )


def _remux_task(planned: TranscodePlanned, chunk: Chunk, name: str) -> VideoTask:
    total = sum(each.frames or 0 for each in planned.chunks)
    cost = _REMUX_COST * planned.source.size / 1e6 * (chunk.frames or 0) / max(1, total)
    task = video_task_name(chunk.index, name)
    priority = 0 if chunk.index == 0 else 2
    return VideoTask(task, chunk.index, (name,), priority, max(0.05, cost), "remux")


def _pixels(source: SourceFacts) -> float:
    video = source.video
    return video.width * video.height / _PIXELS_1080P if video else 0.0


def _shares(renditions: list[Rendition]) -> float:
    return sum(r.width * r.height / _PIXELS_1080P for r in renditions)
