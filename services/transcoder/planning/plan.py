"""Divides a source into segments, chunks and tasks. Pure.

Segments consist of whole frames and are the same in every rendition; a chunk is a run of segments
that one task encodes. The first chunks are short so that the video plays soon, later ones are long
so that few frames are decoded twice. With passthrough, segments begin at the source's key frames.
"""

from fractions import Fraction
from itertools import pairwise
from typing import Final, Literal

import msgspec

from shared.contracts import AudioTrack, Chunk, Rendition, SourceFacts, TranscodePlanned

SEGMENT_SECONDS: Final = 4
# The most frames of a segment that begins at a key frame of the source.
LONGEST_FRAMES: Final = 1000
# Sound may end so much earlier than the video.
_SILENT_END_MS: Final = 500
# Lengths of the first chunks in segments; the last is that of all others: 4, 8, 16, 28 seconds.
CHUNK_SEGMENTS: Final = (1, 2, 4, 7)


class Timeline(msgspec.Struct, frozen=True):
    """The frames of the output, grouped into segments.

    ``segment_frames``: frames per segment. ``borders``: the first frame of each segment where
    segments differ in length; ``segment_frames`` is then the longest of all but the last.
    """

    frame_rate: Fraction
    segment_frames: int
    borders: tuple[int, ...] = ()

    @property
    def timescale(self) -> int:
        """Ticks per second, chosen so that a frame lasts a whole number of ticks."""
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
        """The first frame of a segment; after the last segment, a frame past the end."""
        if not self.borders:
            return segment * self.segment_frames
        if segment < len(self.borders):
            return self.borders[segment]
        return self.borders[-1] + LONGEST_FRAMES


def timeline(frame_rate: Fraction) -> Timeline:
    """The timeline with equal segments of about four seconds, at one frame per second or more."""
    return Timeline(frame_rate, round(SEGMENT_SECONDS * frame_rate))


def timeline_along(frame_rate: Fraction, borders: tuple[int, ...]) -> Timeline:
    """The timeline whose segments begin at the frames ``borders``; the first is 0."""
    usual = timeline(frame_rate).segment_frames
    longest = max((later - earlier for earlier, later in pairwise(borders)), default=usual)
    return Timeline(frame_rate, longest, borders)


def timeline_of(planned: TranscodePlanned) -> Timeline:
    """The timeline of a plan."""
    rate = Fraction(planned.renditions[0].frame_rate)
    if planned.borders:
        return timeline_along(rate, planned.borders)
    return Timeline(rate, round(planned.segment_ms * rate / 1000))


def chunks(line: Timeline, duration: float, *, splittable: bool = True) -> tuple[Chunk, ...]:
    """The chunks of ``duration`` seconds; one if the source is not ``splittable`` (seekable)."""
    frames = max(1, round(duration * line.frame_rate))
    total = line.segments(frames)
    cut: list[Chunk] = []
    start = 0
    while start < total:
        count = CHUNK_SEGMENTS[min(len(cut), len(CHUNK_SEGMENTS) - 1)] if splittable else total
        # A short rest at the end joins the last chunk.
        if total - start - count <= count // 4:
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
    """Makes one chunk of some renditions: by encoding, or by cutting the source (``remux``).

    ``cost`` is the estimated CPU time in seconds.
    """

    name: str
    chunk: int
    renditions: tuple[str, ...]
    priority: int
    cost: float
    kind: Literal["video", "remux"] = "video"


# Measured CPU seconds per 1080p frame at the presets in use; proportional to the frame's pixels.
_DECODE_COST: Final = 0.03
_ENCODE_COST: Final = 0.09
_PIXELS_1080P: Final = 1920 * 1080
# CPU seconds to read, cut and store one megabyte.
_REMUX_COST: Final = 0.01
_MEGABYTE: Final = 1_000_000
# Priorities: what is needed to play at all, what is played next, the rest, lower renditions of a
# passthrough and other codecs. The scheduler treats the first two as urgent.
_FIRST: Final = 0
_NEXT: Final = 1
_LATER: Final = 2
_LAST: Final = 3


def silence_until(track: AudioTrack, duration_ms: int) -> float | None:
    """When the silence ends that follows a sound track, in seconds; None where it needs none.

    Players wait for sound that ends long before the picture.
    """
    end_ms = duration_ms - _SILENT_END_MS
    return end_ms / 1000 if track.end_ms is not None and track.end_ms < end_ms else None


def passthrough_rendition(planned: TranscodePlanned) -> Rendition | None:
    """The rendition that is the source itself; None where all are encoded."""
    return next((rendition for rendition in planned.renditions if rendition.passthrough), None)


def h264_renditions(planned: TranscodePlanned) -> tuple[Rendition, ...]:
    """The H.264 renditions, which every player supports; largest first."""
    return tuple(each for each in planned.renditions if each.video_codec == "h264")


def video_tasks(planned: TranscodePlanned) -> tuple[VideoTask, ...]:
    """The video tasks of a plan, in the order in which they should be done.

    The task that makes the video playable is first: the passthrough rendition, or the lowest
    rendition of the first chunk alone. Tasks for extra codecs are last.
    """
    tasks = list(_h264_tasks(planned))
    extra = [each for each in planned.renditions if each.video_codec != "h264"]
    for kind in dict.fromkeys(map(_set_of, extra)):
        names = tuple(each.name for each in extra if _set_of(each) == kind)
        tasks += [_task(planned, chunk, names, _LAST) for chunk in planned.chunks]
    return tuple(tasks)


def _set_of(rendition: Rendition) -> tuple[str, str]:
    """What all renditions of a set have in common: they are encoded in one run."""
    return rendition.video_codec, rendition.video_range


def _h264_tasks(planned: TranscodePlanned) -> tuple[VideoTask, ...]:
    names = tuple(rendition.name for rendition in h264_renditions(planned))
    if passthrough_rendition(planned) is not None:
        cut = [_remux_task(planned, chunk, names[0]) for chunk in planned.chunks]
        return (*cut, *(_task(planned, chunk, names[1:], _LAST) for chunk in planned.chunks))
    tasks: list[VideoTask] = []
    for chunk in planned.chunks:
        if chunk.index == 0 and len(names) > 1 and len(planned.chunks) > 1:
            tasks.append(_task(planned, chunk, names[-1:], _FIRST))
            tasks.append(_task(planned, chunk, names[:-1], _NEXT))
        else:
            tasks.append(_task(planned, chunk, names, min(chunk.index, _LATER)))
    return tuple(tasks)


def makes_sprite(planned: TranscodePlanned | None, task: VideoTask) -> bool:
    """Whether a task makes its chunk's sprite: that of the lowest rendition does."""
    return planned is not None and planned.renditions[-1].name in task.renditions


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
    cost = _REMUX_COST * planned.source.size / _MEGABYTE * (chunk.frames or 0) / max(1, total)
    task = video_task_name(chunk.index, name)
    priority = _FIRST if chunk.index == 0 else _LATER
    return VideoTask(task, chunk.index, (name,), priority, max(0.05, cost), "remux")


def _pixels(source: SourceFacts) -> float:
    video = source.video
    return video.width * video.height / _PIXELS_1080P if video else 0.0


def _shares(renditions: list[Rendition]) -> float:
    return sum(r.width * r.height / _PIXELS_1080P for r in renditions)
