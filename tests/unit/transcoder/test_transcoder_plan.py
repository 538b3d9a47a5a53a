"""The plan: every frame in exactly one chunk, every rendition of every chunk in one task."""

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.transcoder.planning.plan import (
    LONGEST_FRAMES,
    chunks,
    timeline,
    timeline_along,
    timeline_of,
    video_tasks,
)
from services.transcoder.planning.probe_report import STANDARD_RATES
from shared.contracts import Chunk, Rendition, SourceFacts, TranscodePlanned, VideoTrack

rates = st.sampled_from(STANDARD_RATES) | st.fractions(
    min_value=1, max_value=60, max_denominator=1001
)


@given(rates, st.floats(min_value=0.001, max_value=10_000))
def test_chunks_cover_every_frame_once(rate: Fraction, duration: float) -> None:
    line = timeline(rate)
    cut = chunks(line, duration)
    frame = segment = 0
    for index, chunk in enumerate(cut):
        assert chunk.index == index
        assert chunk.first_frame == frame == segment * line.segment_frames
        assert chunk.first_segment == segment
        assert chunk.frames is not None
        last = index == len(cut) - 1
        assert last or chunk.frames == chunk.segments * line.segment_frames
        assert -(-chunk.frames // line.segment_frames) == chunk.segments
        frame += chunk.frames
        segment += chunk.segments
    assert frame == max(1, round(duration * rate))


@given(rates)
def test_frames_last_whole_ticks(rate: Fraction) -> None:
    line = timeline(rate)
    assert Fraction(line.frame_ticks, line.timescale) == 1 / rate


@pytest.mark.parametrize(
    ("rate", "timescale", "segment_ms"),
    [
        (Fraction(25), 25_000, 4000),
        (Fraction(9999, 200), 9_999_000, 4000),
        # As fine as a tick of 10 kHz: the numerator itself will do.
        (Fraction(10_000, 417), 10_000, 4003),
        (Fraction(30_000, 1001), 30_000, 4004),
    ],
)
def test_ticks_are_fine_and_segments_are_whole_frames(
    rate: Fraction, timescale: int, segment_ms: int
) -> None:
    line = timeline(rate)
    assert (line.timescale, line.segment_ms) == (timescale, segment_ms)


def test_segments_begin_at_the_borders_of_a_source() -> None:
    line = timeline_along(Fraction(25), (0, 600, 700, 1150))
    assert [line.first_frame(segment) for segment in range(4)] == [0, 600, 700, 1150]
    assert line.segment_frames == 600
    # However long the last segment is, what would follow it begins after its end.
    assert line.first_frame(4) >= 1150 + LONGEST_FRAMES


@pytest.mark.parametrize(
    ("segments", "lengths"),
    [
        (1, [1]),
        (2, [1, 1]),
        (3, [1, 2]),
        (4, [1, 2, 1]),
        (7, [1, 2, 4]),
        # A scrap of one segment joins the chunk before.
        (8, [1, 2, 5]),
        (9, [1, 2, 4, 2]),
        (15, [1, 2, 4, 8]),
        (16, [1, 2, 4, 7, 2]),
        (30, [1, 2, 4, 7, 7, 7, 2]),
    ],
)
def test_chunks_grow(segments: int, lengths: list[int]) -> None:
    cut = chunks(timeline(Fraction(25)), 4 * segments)
    assert [chunk.segments for chunk in cut] == lengths


def test_what_cannot_be_split_is_one_chunk() -> None:
    cut = chunks(timeline(Fraction(25)), 600, splittable=False)
    assert [(chunk.segments, chunk.frames) for chunk in cut] == [(150, 15_000)]


def planned(rate: str = "25/1", duration: float = 60.0, rungs: int = 3) -> TranscodePlanned:
    line = timeline(Fraction(rate))
    video = VideoTrack(codec="h264", width=1280, height=720, frame_rate=rate)
    names = ("720p", "480p", "360p", "240p")[:rungs]
    sizes = ((1280, 720), (854, 480), (640, 360), (426, 240))
    return TranscodePlanned(
        video_id="v",
        user_id="u",
        attempt=1,
        prefix="v/a1",
        source=SourceFacts(
            container="mov", duration_ms=round(duration * 1000), size=1, video=video
        ),
        renditions=tuple(
            Rendition(name=name, width=width, height=height, frame_rate=rate)
            for name, (width, height) in zip(names, sizes, strict=False)
        ),
        chunks=chunks(line, duration),
        audio=(),
        segment_ms=line.segment_ms,
        encoder="x264 veryfast",
        worker="w",
    )


@given(st.floats(min_value=0.1, max_value=600), st.integers(min_value=1, max_value=4))
def test_tasks_make_every_rendition_of_every_chunk_once(duration: float, rungs: int) -> None:
    plan = planned(duration=duration, rungs=rungs)
    made = [(task.chunk, name) for task in video_tasks(plan) for name in task.renditions]
    wanted = {(chunk.index, r.name) for chunk in plan.chunks for r in plan.renditions}
    assert len(made) == len(wanted)
    assert set(made) == wanted
    names = [task.name for task in video_tasks(plan)]
    assert len(set(names)) == len(names)


def test_what_makes_it_playable_comes_first_and_alone() -> None:
    first, second, *rest = video_tasks(planned())
    assert (first.chunk, first.renditions, first.priority) == (0, ("360p",), 0)
    assert (second.chunk, second.renditions, second.priority) == (0, ("720p", "480p"), 1)
    assert all(task.priority > 0 for task in rest)


@pytest.mark.parametrize("rate", ["24000/1001", "25/1", "30000/1001", "60000/1001", "50/1", "7/3"])
def test_the_timeline_comes_back_from_the_log(rate: str) -> None:
    assert timeline_of(planned(rate, rungs=1)) == timeline(Fraction(rate))


def test_a_plan_keeps_the_segments_that_it_was_made_with() -> None:
    longer = msgspec.structs.replace(planned("60/1"), segment_ms=10_000)
    assert timeline_of(longer).segment_frames == 600
    along = msgspec.structs.replace(planned(), borders=(0, 90, 210))
    assert timeline_of(along) == timeline_along(Fraction(25), (0, 90, 210))


def one_chunk(
    source: tuple[int, int], *made: tuple[int, int], frames: int | None = 1000
) -> TranscodePlanned:
    """A plan of one chunk that one task encodes."""
    video = VideoTrack(codec="h264", width=source[0], height=source[1], frame_rate="25/1")
    whole = Chunk(index=0, first_segment=0, segments=1, first_frame=0, frames=frames)
    return msgspec.structs.replace(
        planned(),
        source=SourceFacts(container="mov", duration_ms=40_000, size=1, video=video),
        renditions=tuple(
            Rendition(name=f"{width}", width=width, height=height, frame_rate="25/1")
            for width, height in made
        ),
        chunks=(whole,),
    )


@pytest.mark.parametrize(
    ("plan", "cost"),
    [
        # A 1080p frame takes 0.03 s to decode and 0.09 s to encode; other sizes by their pixels.
        (one_chunk((1920, 1080), (1920, 1080)), 120),
        (one_chunk((3840, 2160), (1920, 1080)), 210),
        (one_chunk((1920, 1080), (1920, 1080), (960, 540)), 142.5),
        (one_chunk((1920, 1080), (1920, 1080), frames=1), 0.12),
        # The least that a task costs, also where the number of frames is not known.
        (one_chunk((1920, 1080), (192, 108), frames=1), 0.1),
        (one_chunk((1920, 1080), (1920, 1080), frames=None), 0.1),
    ],
)
def test_an_encode_costs_what_its_pixels_cost(plan: TranscodePlanned, cost: float) -> None:
    (task,) = video_tasks(plan)
    assert task.cost == pytest.approx(cost)


def passthrough(*frames: int | None, size: int = 10**12) -> TranscodePlanned:
    """A plan that shows the source as it is, and one rendition below."""
    plan = planned(rungs=2)
    top, below = plan.renditions
    return msgspec.structs.replace(
        plan,
        source=msgspec.structs.replace(plan.source, size=size),
        renditions=(msgspec.structs.replace(top, passthrough=True), below),
        chunks=tuple(
            Chunk(index=index, first_segment=index, segments=1, first_frame=0, frames=count)
            for index, count in enumerate(frames)
        ),
    )


@given(st.lists(st.integers(min_value=1, max_value=700), min_size=1, max_size=10))
def test_the_cuts_of_a_source_share_the_cost_of_reading_it(frames: list[int]) -> None:
    cuts = [task for task in video_tasks(passthrough(*frames)) if task.kind == "remux"]
    assert sum(task.cost for task in cuts) == pytest.approx(10_000)
    per_frame = [task.cost / count for task, count in zip(cuts, frames, strict=True)]
    assert per_frame == pytest.approx([per_frame[0]] * len(cuts))


def test_a_cut_costs_something_however_small_it_is() -> None:
    for plan in (passthrough(10, 90, size=1000), passthrough(None, None)):
        cuts = [task.cost for task in video_tasks(plan) if task.kind == "remux"]
        assert cuts == [0.05, 0.05]


def test_a_source_shown_as_it_is_makes_the_video_playable() -> None:
    tasks = video_tasks(passthrough(100, 100, 100))
    assert [(t.kind, t.chunk, t.renditions, t.priority) for t in tasks[:3]] == [
        ("remux", 0, ("720p",), 0),
        ("remux", 1, ("720p",), 2),
        ("remux", 2, ("720p",), 2),
    ]
    assert [(t.kind, t.chunk, t.renditions) for t in tasks[3:]] == [
        ("video", 0, ("480p",)),
        ("video", 1, ("480p",)),
        ("video", 2, ("480p",)),
    ]


def test_chunks_are_urgent_as_far_as_they_are_played_first() -> None:
    priorities = [(t.chunk, t.priority) for t in video_tasks(planned(rungs=1, duration=100))]
    assert priorities == [(0, 0), (1, 1), (2, 2), (3, 2), (4, 2), (5, 2)]
    # One chunk is not divided: nothing is gained by decoding it twice.
    assert [(t.chunk, t.priority) for t in video_tasks(planned(duration=4))] == [(0, 0)]
    assert [t.chunk for t in video_tasks(planned(duration=8))] == [0, 0, 1]


@pytest.mark.parametrize("plan", [planned(), passthrough(100, 100, 100)])
def test_tasks_are_listed_by_priority_and_extra_codecs_are_last(plan: TranscodePlanned) -> None:
    extra = msgspec.structs.replace(plan.renditions[-1], name="360p-av1", video_codec="av1")
    tasks = video_tasks(msgspec.structs.replace(plan, renditions=(extra, *plan.renditions)))
    priorities = [task.priority for task in tasks]
    assert priorities == sorted(priorities)
    last = tasks[-len(plan.chunks) :]
    assert [(task.chunk, task.renditions) for task in last] == [
        (chunk.index, ("360p-av1",)) for chunk in plan.chunks
    ]
