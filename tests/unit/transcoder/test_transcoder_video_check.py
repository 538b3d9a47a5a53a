"""What the encoder made is checked frame by frame before it counts."""

from fractions import Fraction
from typing import Any

import msgspec
import pytest

from services.transcoder.encoding.ffmpeg import Input
from services.transcoder.encoding.ffmpeg_chunks import ChunkRun
from services.transcoder.planning.media_errors import MediaRejected, TaskFailed
from services.transcoder.planning.plan import chunks, timeline, timeline_along
from services.transcoder.worker.task_video import check, cut
from shared.contracts import Chunk, Segment, VideoTrack
from shared.mp4.fragment_reader import Fragment

LINE = timeline(Fraction(25))
TICKS = LINE.frame_ticks
VIDEO = VideoTrack(codec="h264", width=640, height=360, frame_rate="25/1")
# Chunks of one, two and four segments of 100 frames, and one of one and a half.
FIRST, SECOND, _, LAST = chunks(LINE, 34.0)


def run_of(chunk: Chunk, **changes: Any) -> ChunkRun:
    run = ChunkRun(
        source=Input("source.mp4", remote=False),
        video=VIDEO,
        chunk=chunk,
        line=LINE,
        renditions=(),
        last=chunk is LAST,
        preset="veryfast",
        threads=1,
    )
    return msgspec.structs.replace(run, **changes)


def fragments(*frames: int, first: int = 0) -> list[Fragment]:
    """One fragment per number of frames, one after the other from frame ``first`` on."""
    made: list[Fragment] = []
    for count in frames:
        made.append(
            Fragment(
                start=(first + sum(f.samples for f in made)) * TICKS,
                duration=count * TICKS,
                samples=count,
                keyframe=True,
                offset=sum(f.size for f in made),
                size=10 * count,
                key_bytes=5,
            )
        )
    return made


def checked(run: ChunkRun, found: list[Fragment]) -> tuple[bytes, tuple[Segment, ...]]:
    data = bytes(number % 251 for number in range(sum(f.size for f in found)))
    body, segments = cut(data, found, run.chunk, run.line)
    check(run, segments, found)
    return body, segments


def test_the_chunks_are_what_the_cases_below_need() -> None:
    made = [(chunk.first_frame, chunk.segments, chunk.frames) for chunk in (FIRST, SECOND, LAST)]
    assert made == [(0, 1, 100), (100, 2, 200), (700, 2, 150)]


@pytest.mark.parametrize(
    ("chunk", "frames"), [(FIRST, (100,)), (SECOND, (100, 100)), (LAST, (100, 50))]
)
def test_a_whole_chunk_passes(chunk: Chunk, frames: tuple[int, ...]) -> None:
    _, segments = checked(run_of(chunk), fragments(*frames, first=chunk.first_frame))
    assert [segment.duration for segment in segments] == [count * TICKS for count in frames]
    assert [segment.index for segment in segments] == list(
        range(chunk.first_segment, chunk.first_segment + chunk.segments)
    )


def test_what_only_warmed_the_encoder_up_is_cut_off() -> None:
    found = fragments(8, 100, 100, first=SECOND.first_frame - 8)
    body, segments = checked(run_of(SECOND), found)
    data = bytes(number % 251 for number in range(2080))
    assert b"".join(body[s.offset : s.offset + s.size] for s in segments) == data[80:]
    assert [(segment.start, segment.offset, segment.size) for segment in segments] == [
        (100 * TICKS, 8, 1000),
        (200 * TICKS, 1016, 1000),
    ]
    assert [segment.key_bytes for segment in segments] == [5, 5]


@pytest.mark.parametrize(
    ("chunk", "frames"),
    [
        (FIRST, (99,)),
        (FIRST, (101,)),
        (SECOND, (100, 99)),
        (SECOND, (100, 101)),
        (SECOND, (100, 100, 1)),
        (SECOND, (100,)),
        (SECOND, ()),
        (LAST, (100, 51)),
        (LAST, (99,)),
        (LAST, ()),
    ],
)
def test_a_frame_too_few_or_too_many_is_refused(chunk: Chunk, frames: tuple[int, ...]) -> None:
    with pytest.raises(MediaRejected) as refused:
        checked(run_of(chunk), fragments(*frames, first=chunk.first_frame))
    assert refused.value.code == "media.damaged"


@pytest.mark.parametrize("frames", [(100, 49), (100, 1), (100,)])
def test_the_end_may_come_up_to_one_segment_early(frames: tuple[int, ...]) -> None:
    checked(run_of(LAST), fragments(*frames, first=LAST.first_frame))
    with pytest.raises(MediaRejected):
        checked(run_of(LAST, last=False), fragments(*frames, first=LAST.first_frame))


def test_a_chunk_is_not_empty_even_where_it_is_one_last_segment() -> None:
    checked(run_of(FIRST, last=True), fragments(1))
    with pytest.raises(MediaRejected):
        checked(run_of(FIRST, last=True), [])


def test_no_frame_is_right_where_none_is_planned() -> None:
    unplanned = msgspec.structs.replace(FIRST, frames=None)
    with pytest.raises(MediaRejected):
        checked(run_of(unplanned), fragments(1))


def test_the_slack_is_as_long_as_the_last_segment_where_segments_follow_the_source() -> None:
    line = timeline_along(Fraction(25), (0, 100, 150, 290))
    (chunk,) = chunks(line, 300 / 25, splittable=False)
    run = run_of(chunk, line=line, last=True)
    checked(run, fragments(100, 50, 140, 10))
    checked(run, fragments(100, 50, 140))
    with pytest.raises(MediaRejected):
        checked(run, fragments(100, 50, 139))


def test_part_of_a_frame_is_refused() -> None:
    (found,) = fragments(100, first=LAST.first_frame)
    shorter = msgspec.structs.replace(found, duration=found.duration + 1)
    with pytest.raises(MediaRejected):
        checked(run_of(LAST), [shorter])


def test_a_segment_that_begins_elsewhere_than_planned_is_refused() -> None:
    for frames, first in (((99, 101), 100), ((100, 100), 101)):
        with pytest.raises(TaskFailed) as failed:
            checked(run_of(SECOND), fragments(*frames, first=first))
        assert failed.value.code == "encoder.timing"


def test_a_segment_that_does_not_begin_with_a_key_frame_is_refused() -> None:
    found = fragments(100, 100, first=SECOND.first_frame)
    found[1] = msgspec.structs.replace(found[1], keyframe=False)
    with pytest.raises(TaskFailed) as failed:
        checked(run_of(SECOND), found)
    assert failed.value.code == "encoder.keyframes"


def test_the_viewer_learns_from_where_on_the_picture_is_damaged() -> None:
    late = chunks(LINE, 200.0)[5]
    assert late.first_frame == 84 * 25
    with pytest.raises(MediaRejected, match=r"from 1:24 on"):
        checked(run_of(late), [])
