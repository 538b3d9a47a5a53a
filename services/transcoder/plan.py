"""A source's facts and the policy → renditions, chunks and tasks. Pure.

The output's timeline is cut into segments of whole frames, the same in every rendition; a chunk is
a run of segments that one task encodes. The first chunks are short so that something plays soon,
the later ones long so that little is decoded twice.
"""

from fractions import Fraction
from typing import Final

import msgspec

from shared.contracts import Chunk, Rendition, SourceFacts, TranscodePlanned

SEGMENT_SECONDS: Final = 4
# In segments: 4, 8, 16, then 28 seconds.
CHUNK_SEGMENTS: Final = (1, 2, 4, 7)


class Timeline(msgspec.Struct, frozen=True):
    """The output's frames: how many fill a segment, and how many ticks each lasts."""

    frame_rate: Fraction
    segment_frames: int

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


def timeline(frame_rate: Fraction) -> Timeline:
    """Segments of about four seconds at a frame rate."""
    return Timeline(frame_rate, max(1, round(SEGMENT_SECONDS * frame_rate)))


def timeline_of(planned: TranscodePlanned) -> Timeline:
    """The timeline of a plan in the log."""
    rate = Fraction(planned.renditions[0].frame_rate)
    return Timeline(rate, max(1, round(planned.segment_ms * rate / 1000)))


def chunks(line: Timeline, duration: float, *, splittable: bool = True) -> tuple[Chunk, ...]:
    """The chunks of ``duration`` seconds. One, if the source cannot be read from its middle."""
    frames = max(1, round(duration * line.frame_rate))
    total = -(-frames // line.segment_frames)
    cut: list[Chunk] = []
    start = 0
    while start < total:
        wanted = CHUNK_SEGMENTS[min(len(cut), len(CHUNK_SEGMENTS) - 1)] if splittable else total
        count = min(wanted, total - start)
        # A scrap at the end is not worth a task of its own.
        if cut and total - start - count <= wanted // 4:
            count = total - start
        first_frame = start * line.segment_frames
        last = start + count == total
        cut.append(
            Chunk(
                index=len(cut),
                first_segment=start,
                segments=count,
                first_frame=first_frame,
                frames=frames - first_frame if last else count * line.segment_frames,
            )
        )
        start += count
    return tuple(cut)


class VideoTask(msgspec.Struct, frozen=True):
    """One chunk of some renditions. ``cost`` is CPU seconds as guessed beforehand."""

    name: str
    chunk: int
    renditions: tuple[str, ...]
    priority: int
    cost: float


# CPU seconds per frame of 1080p at the presets in use, as measured; a smaller frame in proportion.
_DECODE_COST: Final = 0.03
_ENCODE_COST: Final = 0.09
_PIXELS_1080P: Final = 1920 * 1080


def video_tasks(planned: TranscodePlanned) -> tuple[VideoTask, ...]:
    """The encoding tasks of a plan, in the order in which they should be done.

    The lowest rendition of the first chunk goes alone and first: it is what makes the video
    playable. The chunk's other renditions follow.
    """
    names = tuple(rendition.name for rendition in planned.renditions)
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


def _pixels(source: SourceFacts) -> float:
    video = source.video
    return video.width * video.height / _PIXELS_1080P if video else 0.0


def _shares(renditions: list[Rendition]) -> float:
    return sum(r.width * r.height / _PIXELS_1080P for r in renditions)
