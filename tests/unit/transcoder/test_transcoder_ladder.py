"""The ladder: never larger than the source, in its shape, within its codec level."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.transcoder.planning.ladder import RUNGS, encoding, ladder
from shared.contracts import SourceFacts, VideoTrack


def source(width: int, height: int, rate: str = "30/1") -> SourceFacts:
    video = VideoTrack(codec="h264", width=width, height=height, frame_rate=rate)
    return SourceFacts(container="mov", duration_ms=1000, size=1, video=video)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1920, 1080), [(1920, 1080), (1280, 720), (854, 480), (640, 360), (426, 240)]),
        ((3840, 2160), [(1920, 1080), (1280, 720), (854, 480), (640, 360), (426, 240)]),
        ((1080, 1920), [(1080, 1920), (720, 1280), (480, 854), (360, 640), (240, 426)]),
        ((1280, 720), [(1280, 720), (854, 480), (640, 360), (426, 240)]),
        ((1920, 800), [(1920, 800), (1280, 534), (854, 356), (640, 266), (426, 178)]),
        ((640, 272), [(640, 272), (426, 182)]),
        ((321, 241), [(320, 240)]),
        ((160, 120), [(160, 120)]),
        ((3, 3), [(2, 2)]),
    ],
)
def test_sizes(size: tuple[int, int], expected: list[tuple[int, int]]) -> None:
    assert [(r.width, r.height) for r in ladder(source(*size))] == expected


def test_sound_alone_has_no_ladder() -> None:
    assert ladder(SourceFacts(container="mp3", duration_ms=1000, size=1)) == ()


sizes = st.integers(min_value=2, max_value=8192)


@given(sizes, sizes, st.sampled_from(["24000/1001", "25/1", "30/1", "60/1"]))
def test_never_scales_up_and_keeps_the_shape(width: int, height: int, rate: str) -> None:
    renditions = ladder(source(width, height, rate))
    assert renditions
    for rendition in renditions:
        assert rendition.width <= width
        assert rendition.height <= height
        assert rendition.width % 2 == rendition.height % 2 == 0
        scale = Fraction(max(rendition.width, rendition.height), max(width, height))
        assert abs(rendition.width - width * scale) <= 2
        assert abs(rendition.height - height * scale) <= 2
    pixels = [r.width * r.height for r in renditions]
    assert pixels == sorted(pixels, reverse=True)
    assert len({r.name for r in renditions}) == len(renditions)


@given(sizes, sizes, st.sampled_from(["24/1", "30/1", "60/1"]))
def test_caps_fall_from_rung_to_rung_and_levels_are_real(
    width: int, height: int, rate: str
) -> None:
    settings = [encoding(rendition) for rendition in ladder(source(width, height, rate))]
    caps = [each.max_rate for each in settings]
    assert caps == sorted(caps, reverse=True)
    for each in settings:
        assert each.codecs.startswith("avc1.6400")
        assert each.level in {10, 11, 12, 13, 20, 21, 22, 30, 31, 32, 40, 42, 50, 51, 52}


@pytest.mark.parametrize(
    ("size", "rate", "level"),
    [
        ((1920, 1080), "30/1", 40),
        ((1920, 1080), "60/1", 42),
        ((1280, 720), "30/1", 31),
        ((1280, 720), "60/1", 32),
        ((854, 480), "25/1", 30),
        ((854, 480), "30/1", 31),
    ],
)
def test_levels(size: tuple[int, int], rate: str, level: int) -> None:
    assert encoding(ladder(source(*size, rate))[0]).level == level


def test_every_rung_fits_in_the_one_above() -> None:
    for above, below in pairwise(RUNGS):
        assert above.long > below.long
        assert above.short > below.short
        assert above.max_rate > below.max_rate
