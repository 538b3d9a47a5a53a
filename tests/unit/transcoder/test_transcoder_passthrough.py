"""Where a source's own segments begin: only where decoding may begin, and often enough."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.transcoder.mp4 import fragment_writer
from services.transcoder.planning.passthrough import (
    MAX_SEGMENT_SECONDS,
    check_passthrough,
    passthrough_ladder,
    segment_samples,
)
from services.transcoder.planning.plan import chunks, timeline_along, video_tasks
from shared.contracts import TranscodePlanned
from tests.unit.transcoder.source_tracks import RATE, STEP, TICKS, avc_entry, facts, track

# How many frames a group of pictures has, and whether frames of it are shown before its first.
groups = st.lists(st.tuples(st.integers(1, 9 * RATE), st.booleans()), min_size=1, max_size=12)


@given(groups)
def test_segments_begin_where_nothing_refers_across(gops: list[tuple[int, bool]]) -> None:
    made = track(gops)
    samples = segment_samples(made)
    if not samples:
        return
    assert samples[0] == 0
    stops = [*samples[1:], made.count]
    assert sum(stop - first for first, stop in zip(samples, stops, strict=True)) == made.count
    for first, stop in zip(samples, stops, strict=True):
        assert first in made.keys
        inside = made.composition[first:stop]
        assert min(inside) == made.composition[first]
        assert max(made.composition[:first], default=-1) < min(inside)
        assert len(inside) * STEP / TICKS <= MAX_SEGMENT_SECONDS


@given(st.lists(st.integers(1, 4 * RATE), min_size=1, max_size=40))
def test_closed_groups_of_four_seconds_are_always_fit(frames: list[int]) -> None:
    made = track([(count, False) for count in frames])
    fit = check_passthrough(facts(made), made, Fraction(RATE), 0.0)
    assert fit.reason is None
    assert fit.borders == fit.samples
    lengths = [later - earlier for earlier, later in pairwise(fit.borders)]
    # Segments are not scraps, whatever the key frames are.
    assert all(length >= 2 * RATE for length in lengths[:-1])


def test_no_segment_begins_at_a_key_frame_that_an_earlier_stored_frame_is_shown_after() -> None:
    made = track([(50, False)] * 4)
    assert segment_samples(made) == (0, 100)
    # The frame stored last in the second group is shown after the third group's key frame.
    shown = made.composition
    shown[99], shown[100] = shown[100], shown[99]
    assert 100 in made.keys
    assert segment_samples(made) == (0, 50, 150)


@given(groups, st.integers(0, 500_000))
def test_a_plan_along_key_frames_leaves_no_frame_out(
    gops: list[tuple[int, bool]], delay_us: int
) -> None:
    made = track(gops)
    fit = check_passthrough(facts(made), made, Fraction(RATE), -delay_us / 1_000_000)
    if fit.reason:
        return
    line = timeline_along(Fraction(RATE), fit.borders)
    duration = float(made.end / TICKS) + delay_us / 1_000_000
    cut = chunks(line, duration)
    assert sum(chunk.frames or 0 for chunk in cut) == max(1, round(duration * RATE))
    assert sum(chunk.segments for chunk in cut) == len(fit.borders)
    assert all(chunk.first_frame == line.first_frame(chunk.first_segment) for chunk in cut)
    assert all((chunk.frames or 0) > 0 for chunk in cut)
    planned = TranscodePlanned(
        video_id="v",
        user_id="u",
        attempt=1,
        prefix="v/a1",
        source=facts(made),
        renditions=passthrough_ladder(facts(made)),
        chunks=cut,
        audio=(),
        segment_ms=line.segment_ms,
        encoder="x264",
        worker="w",
        borders=fit.borders,
    )
    tasks = video_tasks(planned)
    made_by = [(task.chunk, name) for task in tasks for name in task.renditions]
    assert len(set(made_by)) == len(made_by) == len(cut) * len(planned.renditions)
    assert [task.kind for task in tasks] == ["remux"] * len(cut) + ["video"] * len(cut)
    assert tasks[0].priority == 0


@given(groups)
def test_copied_segments_follow_one_another(gops: list[tuple[int, bool]]) -> None:
    made = track(gops)
    of = fragment_writer.output_clock(made, 120_000, 25_000)
    assert of.decode(made, 0) == of.shown(made, 0) == 0
    for sample in range(made.count):
        assert of.decode(made, sample + 1) > of.decode(made, sample)
        assert of.offset(made, sample) >= 0
    assert of.decode(made, made.count) >= of.shown(made, made.count) - of.lead


@pytest.mark.parametrize(
    ("changes", "entry", "reason"),
    [
        ({"codec": "hevc"}, avc_entry(), "H.264"),
        ({"pixel_format": "yuv420p10le"}, avc_entry(), "8 bits"),
        ({"rotation": 90}, avc_entry(), "rotated"),
        ({"mirrored": True}, avc_entry(), "mirrored"),
        ({"mirrored": True, "rotation": 180}, avc_entry(), "mirrored"),
        ({"interlaced": True}, avc_entry(), "interlaced"),
        ({"hdr": True}, avc_entry(), "dynamic range"),
        ({"width": 1280}, avc_entry(), "square"),
        ({"width": 426, "height": 240}, avc_entry(426, 240), "so small"),
        ({"width": 3840, "height": 2160}, avc_entry(3840, 2160), "larger"),
        ({}, avc_entry(profile=110), "profile"),
        ({}, avc_entry(level=52), "level"),
        ({}, avc_entry().replace(b"avc1", b"avc3"), "parameters"),
        ({}, avc_entry().replace(b"avcC", b"free"), "parameters"),
    ],
)
def test_what_browsers_do_not_play_is_not_fit(
    changes: dict[str, object], entry: bytes, reason: str
) -> None:
    made = track([(50, False)] * 3, entry)
    assert reason in (
        check_passthrough(facts(made, **changes), made, Fraction(RATE), 0.0).reason or ""
    )


def test_too_many_bits_are_not_fit() -> None:
    made = track([(50, False)] * 3, size=40_000)
    assert "bit rate" in (check_passthrough(facts(made), made, Fraction(RATE), 0.0).reason or "")


def test_a_picture_that_begins_much_later_than_the_sound_is_not_fit() -> None:
    made = track([(50, False)] * 3)
    assert "late" in (check_passthrough(facts(made), made, Fraction(RATE), -3.0).reason or "")
