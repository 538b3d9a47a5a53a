"""Where the pictures over the seek bar lie."""

import re
from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.transcoder.object_keys import sprite_key, storyboard_key
from services.transcoder.planning.plan import chunks, timeline
from services.transcoder.planning.storyboard import sheet, webvtt
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


@given(st.floats(min_value=0.1, max_value=1000))
def test_cues_follow_one_another_to_the_end(seconds: float) -> None:
    text = webvtt(plan(seconds=seconds))
    cues = re.findall(r"(\S+) --> (\S+)", text)
    assert cues[0][0] == "00:00:00.000"
    assert all(before[1] == after[0] for before, after in pairwise(cues))
