"""The ladder: never larger than the source, in its shape, within its codec level."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.transcoder.planning.extra_codecs import extra_encoder_arguments, extra_renditions
from services.transcoder.planning.ladder import RUNGS, encoding, h264_level, ladder
from shared.contracts import Rendition, SourceFacts, VideoTrack


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
        ((1900, 1062), [(1900, 1062), (1280, 716), (854, 478), (640, 358), (426, 238)]),
        ((720, 720), [(720, 720), (480, 480), (360, 360), (240, 240)]),
        # Between two rungs: the source's own size first, then rungs that are clearly smaller.
        ((600, 338), [(600, 338), (426, 240)]),
        ((960, 540), [(960, 540), (640, 360), (426, 240)]),
        ((320, 568), [(320, 568), (240, 426)]),
        ((1366, 768), [(1366, 768), (854, 480), (640, 360), (426, 240)]),
        ((768, 576), [(768, 576), (640, 480), (480, 360), (320, 240)]),
        ((1024, 576), [(1024, 576), (854, 480), (640, 360), (426, 240)]),
        ((1440, 1080), [(1440, 1080), (960, 720), (640, 480), (480, 360), (320, 240)]),
        ((2560, 1440), [(1920, 1080), (1280, 720), (854, 480), (640, 360), (426, 240)]),
        ((1600, 480), [(1600, 480), (1280, 384), (854, 256), (640, 192), (426, 128)]),
        # Barely larger than a rung: that rung.
        ((648, 364), [(640, 360), (426, 240)]),
        ((1300, 730), [(1280, 718), (854, 480), (640, 360), (426, 240)]),
    ],
)
def test_sizes(size: tuple[int, int], expected: list[tuple[int, int]]) -> None:
    assert [(r.width, r.height) for r in ladder(source(*size))] == expected


@pytest.mark.parametrize(
    ("size", "names"),
    [
        ((1920, 1080), ["1080p", "720p", "480p", "360p", "240p"]),
        ((1900, 1062), ["1080p", "720p", "480p", "360p", "240p"]),
        ((640, 272), ["360p", "240p"]),
        ((160, 120), ["240p"]),
        ((960, 540), ["540p", "360p", "240p"]),
        ((320, 568), ["320p", "240p"]),
        ((600, 338), ["338p", "240p"]),
        # The number that the client shows: of the 16:9 picture that holds it.
        ((1600, 480), ["900p", "720p", "480p", "360p", "240p"]),
    ],
)
def test_names(size: tuple[int, int], names: list[str]) -> None:
    assert [rendition.name for rendition in ladder(source(*size))] == names


@pytest.mark.parametrize(
    ("size", "cap"),
    [((854, 480), 1_400_000), ((960, 540), 1_697_500), ((1280, 720), 2_800_000)],
)
def test_a_rendition_between_two_rungs_has_a_cap_between_theirs(
    size: tuple[int, int], cap: int
) -> None:
    assert encoding(ladder(source(*size))[0]).max_rate == cap


@given(st.integers(2, 8192), st.integers(2, 8192))
def test_no_source_loses_more_than_a_few_lines(width: int, height: int) -> None:
    top = ladder(source(width, height))[0]
    inside = max(width, height) <= 1920 and min(width, height) <= 1080
    if inside:
        assert max(top.width, top.height) * Fraction(104, 100) + 2 >= max(width, height)


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


@pytest.mark.parametrize(
    ("size", "rate", "cap", "buffer", "level"),
    [
        # Each limit of table A-1, met and just passed.
        ((176, 144), 15, 80_000, 218_750, 10),
        ((176, 144), Fraction(1501, 100), 80_000, 218_750, 11),
        ((176, 144), 15, 80_001, 218_750, 11),
        ((176, 144), 15, 80_000, 218_751, 11),
        ((720, 576), 25, 1, 1, 30),
        ((720, 576), Fraction(2501, 100), 1, 1, 31),
        ((736, 576), 10, 1, 1, 31),
        ((720, 592), 10, 1, 1, 31),
        ((1920, 1080), 30, 25_000_000, 31_250_000, 40),
        ((1920, 1080), 30, 25_000_001, 31_250_000, 42),
        # The longer side counts in squares: 59, 64 and 256 blocks beside few lines.
        ((944, 16), 10, 1, 1, 21),
        ((1024, 16), 10, 1, 1, 21),
        ((16, 1024), 10, 1, 1, 21),
        ((4096, 16), 10, 1, 1, 40),
        ((4112, 16), 10, 1, 1, 42),
        # More than the highest level allows.
        ((8192, 8192), 60, 1, 1, 52),
    ],
)
def test_the_level_is_the_lowest_that_allows_picture_rate_and_bits(
    size: tuple[int, int], rate: Fraction | int, cap: int, buffer: int, level: int
) -> None:
    rendition = Rendition(name="240p", width=size[0], height=size[1], frame_rate="1/1")
    assert h264_level(rendition, Fraction(rate), cap, buffer) == level


@pytest.mark.parametrize(
    ("size", "rate", "cap"),
    [
        ((1920, 1080), "30/1", 5_000_000),
        ((1920, 1080), "61/2", 7_500_000),
        ((1920, 1080), "60/1", 7_500_000),
        # A narrow picture gets its share of the bits, but no less than a quarter.
        ((1920, 540), "30/1", 2_500_000),
        ((1920, 400), "30/1", 1_851_852),
        ((1920, 200), "30/1", 1_250_000),
    ],
)
def test_caps_follow_the_pixels_and_the_frame_rate(
    size: tuple[int, int], rate: str, cap: int
) -> None:
    settings = encoding(Rendition(name="1080p", width=size[0], height=size[1], frame_rate=rate))
    assert settings.max_rate == cap
    # The buffer holds a second and a half.
    assert settings.buffer == cap * 3 // 2


def test_the_smallest_pictures_have_half_of_the_lowest_cap() -> None:
    settings = encoding(Rendition(name="240p", width=128, height=96, frame_rate="30/1"))
    assert settings.max_rate == 200_000


def test_every_rung_fits_in_the_one_above() -> None:
    for above, below in pairwise(RUNGS):
        assert above.long > below.long
        assert above.short > below.short
        assert above.max_rate > below.max_rate


def test_another_codec_has_the_same_sizes_between_rungs() -> None:
    facts = source(960, 540)
    extra = extra_renditions(ladder(facts), ["av1"])
    assert [each.name for each in extra] == ["540p-av1", "360p-av1", "240p-av1"]
    assert facts.video is not None
    arguments = extra_encoder_arguments(extra[0], facts.video, 120, "0", 1)
    # A share of the cap in H.264.
    assert arguments[arguments.index("-maxrate") + 1] == str(round(1_697_500 * 13 / 20))
