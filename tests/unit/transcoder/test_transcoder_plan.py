"""The plan: every frame in exactly one chunk, every rendition of every chunk in one task."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.transcoder.planning.plan import chunks, timeline, timeline_of, video_tasks
from services.transcoder.planning.probe_report import STANDARD_RATES
from shared.contracts import Rendition, SourceFacts, TranscodePlanned, VideoTrack

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


def test_chunks_grow() -> None:
    cut = chunks(timeline(Fraction(25)), 120)
    assert [chunk.segments for chunk in cut] == [1, 2, 4, 7, 7, 7, 2]


def test_a_scrap_joins_the_chunk_before() -> None:
    cut = chunks(timeline(Fraction(25)), 4 * (1 + 2 + 4 + 7 + 1))
    assert [chunk.segments for chunk in cut] == [1, 2, 4, 8]


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
    assert timeline_of(planned(rate)) == timeline(Fraction(rate))
