"""Where the pictures over the seek bar lie."""

import re
from fractions import Fraction
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.transcoder.object_keys import sprite_key, storyboard_key
from services.transcoder.planning.plan import chunks, timeline
from services.transcoder.planning.storyboard import sheet, webvtt
from shared.contracts import Rendition, TranscodePlanned
from tests.unit.transcoder.facts_about import plan


def test_one_cue_for_each_segment() -> None:
    assert webvtt(plan(seconds=10, names=("360p", "240p"))) == (
        "WEBVTT\n"
        "\n"
        "00:00:00.000 --> 00:00:04.000\n"
        "storyboard/00000.webp#xywh=0,0,160,90\n"
        "\n"
        "00:00:04.000 --> 00:00:08.000\n"
        "storyboard/00001.webp#xywh=0,0,160,90\n"
        "\n"
        "00:00:08.000 --> 00:00:10.000\n"
        "storyboard/00001.webp#xywh=160,0,160,90\n"
    )


def test_keys() -> None:
    assert sprite_key("v/a1", 3) == "v/a1/storyboard/00003.webp"
    assert storyboard_key("v/a1") == "v/a1/storyboard.vtt"


@given(st.floats(min_value=0.1, max_value=20_000))
def test_a_long_unsplittable_source_has_a_bounded_sprite(seconds: float) -> None:
    whole = plan(seconds=1)
    (only,) = chunks(timeline(Fraction(25)), seconds, splittable=False)
    layout = sheet(whole, only)
    assert layout.tiles <= 100
    assert layout.rows * layout.columns >= layout.tiles
    assert layout.rows * layout.height <= 1600
    assert layout.step * layout.tiles >= only.segments


@pytest.mark.parametrize(
    ("sizes", "tile"),
    [
        # The lowest rendition's shape, in a square of 160 pixels.
        (((1280, 720), (426, 240)), (160, 90)),
        (((240, 426),), (90, 160)),
        # It is never scaled up, and has rows and columns of two pixels at least.
        (((640, 360), (426, 240), (100, 56)), (100, 56)),
        (((1000, 2),), (160, 2)),
        (((2, 1000),), (2, 160)),
    ],
)
def test_a_tile_is_a_small_picture_of_the_lowest_rendition(
    sizes: tuple[tuple[int, int], ...], tile: tuple[int, int]
) -> None:
    renditions = tuple(
        Rendition(name=f"{height}p", width=width, height=height, frame_rate="25/1")
        for width, height in sizes
    )
    planned = msgspec.structs.replace(plan(seconds=10), renditions=renditions)
    layout = sheet(planned, planned.chunks[0])
    assert (layout.width, layout.height) == tile


@pytest.mark.parametrize(
    ("segments", "columns", "rows", "step"),
    [(1, 1, 1, 1), (7, 7, 1, 1), (10, 10, 1, 1), (11, 10, 2, 1), (100, 10, 10, 1), (101, 10, 6, 2)],
)
def test_ten_tiles_are_beside_one_another(
    segments: int, columns: int, rows: int, step: int
) -> None:
    (chunk,) = chunks(timeline(Fraction(25)), 4 * segments, splittable=False)
    layout = sheet(plan(), chunk)
    assert (layout.columns, layout.rows, layout.step) == (columns, rows, step)


def cues(planned: TranscodePlanned) -> list[tuple[float, float]]:
    """The seconds from and to which each cue is shown."""
    times = re.findall(r"(\d\d):(\d\d):(\d\d\.\d{3})", webvtt(planned))
    seconds = [3600 * int(h) + 60 * int(m) + float(s) for h, m, s in times]
    assert all(int(m) < 60 and float(s) < 60 for _, m, s in times)
    return list(zip(seconds[::2], seconds[1::2], strict=True))


def test_cues_are_where_their_segments_are_hours_later_too() -> None:
    found = cues(plan(seconds=4002))
    assert found == [(4.0 * n, min(4.0 * n + 4, 4002)) for n in range(1001)]


def test_a_cue_of_a_long_chunk_covers_several_segments() -> None:
    whole = plan(seconds=1000)
    one = chunks(timeline(Fraction(25)), 1000, splittable=False)
    found = cues(msgspec.structs.replace(whole, chunks=one))
    assert found == [(12.0 * n, min(12.0 * n + 12, 1000)) for n in range(84)]


def test_a_cue_ends_after_it_begins_even_at_the_very_end() -> None:
    planned = plan(seconds=10)
    shorter = msgspec.structs.replace(planned.source, duration_ms=8000)
    found = cues(msgspec.structs.replace(planned, source=shorter))
    assert found == [(0, 4), (4, 8), (8, 8.001)]


@given(st.floats(min_value=0.1, max_value=1000))
def test_cues_follow_one_another_to_the_end(seconds: float) -> None:
    found = cues(plan(seconds=seconds))
    assert found[0][0] == 0
    assert all(before[1] == after[0] for before, after in pairwise(found))
    assert found[-1][1] == pytest.approx(seconds, abs=0.04)
