"""The limits of what is shown as it is, met and just passed."""

from array import array
from fractions import Fraction

import msgspec
import pytest

from services.transcoder.mp4.sample_index import SampleTrack
from services.transcoder.planning.passthrough import (
    PassthroughVerdict,
    check_passthrough,
    passthrough_ladder,
    segment_samples,
)
from tests.unit.transcoder.source_tracks import RATE, TICKS, avc_entry, facts, key_track, track

CLOSED = [(50, False)] * 3


def verdict(made: SampleTrack, start: float = 0.0, **changes: object) -> PassthroughVerdict:
    return check_passthrough(facts(made, **changes), made, Fraction(RATE), start)


def reason(made: SampleTrack, start: float = 0.0, **changes: object) -> str:
    return verdict(made, start, **changes).reason or ""


@pytest.mark.parametrize(
    ("keys", "end", "samples"),
    [
        # What is left is one segment up to four and a half seconds.
        ((0, 4), 4.5, (0,)),
        ((0, 4), 4.6, (0, 1)),
        # The last key frame before four and a half seconds, if it is two seconds away.
        ((0, 2, 4.4, 8), 9, (0, 2, 3)),
        ((0, 2, 6), 9, (0, 1, 2)),
        ((0, 1.9, 6), 9, (0, 2)),
        ((0, 4.5, 8), 9, (0, 1)),
        # No segment is longer than eight and a half seconds.
        ((0, 8.5), 17, (0, 1)),
        ((0, 8.6), 17, ()),
        ((0, 8.5), 17.1, ()),
        # Too short a piece is added to what goes before, as far as that may be.
        ((0, 1), 8.5, (0,)),
        ((0, 1), 8.6, (0, 1)),
        ((0, 4, 5), 12, (0, 1)),
        ((0,), 8.5, (0,)),
        ((0,), 8.6, ()),
    ],
)
def test_segments_are_two_to_eight_and_a_half_seconds_long(
    keys: tuple[float, ...], end: float, samples: tuple[int, ...]
) -> None:
    assert segment_samples(key_track(*keys, end=end)) == samples


def test_decoding_must_be_able_to_begin_at_the_first_sample() -> None:
    made = track(CLOSED)
    assert segment_samples(msgspec.structs.replace(made, keys=array("I"))) == ()
    assert segment_samples(msgspec.structs.replace(made, keys=array("I", [50, 100]))) == ()


def test_a_frame_shown_at_the_same_time_as_a_key_frame_keeps_segments_from_beginning() -> None:
    made = track([(50, False)] * 4)
    made.composition[99] = made.composition[100]
    assert segment_samples(made) == (0, 50, 150)


@pytest.mark.parametrize(
    ("width", "height", "larger"),
    [
        (1920, 1080, False),
        (1080, 1920, False),
        (1922, 800, True),
        (800, 1922, True),
        (1440, 1082, True),
        (1080, 1080, False),
    ],
)
def test_nothing_larger_than_the_highest_rung_is_fit(
    width: int, height: int, *, larger: bool
) -> None:
    made = track(CLOSED, avc_entry(width, height))
    assert ("larger" in reason(made, width=width, height=height)) == larger


def test_only_renditions_with_three_quarters_of_the_pixels_are_made_below() -> None:
    made = track(CLOSED)
    exactly = passthrough_ladder(facts(made, width=416, height=420))
    assert [(each.width, each.height) for each in exactly[:2]] == [(416, 420), (360, 364)]
    more = passthrough_ladder(facts(made, width=414, height=420))
    assert (360, 364) not in [(each.width, each.height) for each in more]


@pytest.mark.parametrize(
    ("size", "name"),
    [
        ((1920, 1080), "1080p"),
        ((1080, 1920), "1080p"),
        # The longer side alone, and the shorter side alone, can make the name a higher one.
        ((1920, 300), "1080p"),
        ((1400, 300), "788p"),
        ((800, 800), "800p"),
        ((1280, 720), "720p"),
        ((856, 480), "480p"),
        ((640, 500), "500p"),
        ((854, 480), "480p"),
    ],
)
def test_a_source_is_named_after_its_rung_or_its_own_size(size: tuple[int, int], name: str) -> None:
    made = facts(track(CLOSED), width=size[0], height=size[1])
    assert passthrough_ladder(made)[0].name == name


def test_without_a_picture_nothing_is_fit() -> None:
    made = track(CLOSED)
    sound = msgspec.structs.replace(facts(made), video=None)
    assert check_passthrough(sound, made, Fraction(RATE), 0.0).reason
    assert passthrough_ladder(sound) == ()


def test_the_highest_level_that_players_take() -> None:
    assert reason(track(CLOSED, avc_entry(level=51))) == ""
    for profile in (66, 77, 100):
        assert reason(track(CLOSED, avc_entry(profile=profile))) == ""


def test_parameters_must_not_change() -> None:
    assert "parameters" in reason(msgspec.structs.replace(track(CLOSED), entries=2))


def test_a_picture_that_begins_after_the_sound_shifts_the_segments() -> None:
    late = verdict(track(CLOSED), start=-0.2)
    assert late.delay_us == 200_000
    assert late.borders == (0, 105)
    assert verdict(track(CLOSED), start=-1 / 3).delay_us == 333_333
    assert verdict(track(CLOSED)).borders == (0, 100)


def test_borders_count_from_the_first_picture() -> None:
    made = track(CLOSED)
    shift = 2 * TICKS
    later = msgspec.structs.replace(
        made,
        composition=array("q", (time + shift for time in made.composition)),
        end=made.end + shift,
    )
    assert verdict(later, start=2.0).borders == verdict(made).borders == (0, 100)


def test_segments_must_begin_at_different_frames_of_the_output() -> None:
    made = track(CLOSED)
    found = check_passthrough(facts(made), made, Fraction(1, 10), 0.0)
    assert "too close" in (found.reason or "")


@pytest.mark.parametrize(
    ("start", "late"), [(-0.5, False), (-0.51, True), (0.001, False), (0.002, True), (0.5, True)]
)
def test_the_picture_begins_with_the_file_or_half_a_second_later(
    start: float, *, late: bool
) -> None:
    assert ("late" in reason(track(CLOSED), start)) == late


def even_track(frames: int, seconds: float, shift: int = 0) -> SampleTrack:
    """Frames at equal distances, all of them key frames."""
    made = key_track(*(number * seconds / frames for number in range(frames)), end=seconds)
    composition = array("q", (time + shift for time in made.composition))
    return msgspec.structs.replace(made, composition=composition, end=made.end + shift)


@pytest.mark.parametrize("shift", [0, 10 * TICKS])
def test_sixty_frames_a_second_and_one_more(shift: int) -> None:
    start = shift / TICKS
    assert "frames per second" not in reason(even_track(122, 2.0, shift), start)
    assert "frames per second" in reason(even_track(123, 2.0, shift), start)


def test_a_track_without_duration_is_not_fit() -> None:
    assert "frames per second" in reason(key_track(0, end=0))


def test_no_two_frames_are_decoded_at_once() -> None:
    assert "out of order" in reason(key_track(0, 2, 2, 4, end=6))


# Three segments of four seconds at 800 kbit/s: 1.6 times that on average, 3.2 times at most.
PEAK, MEAN = 1_280_000, 640_000


@pytest.mark.parametrize(
    ("seconds", "end", "sizes", "problem"),
    [
        ((0, 4, 8), 12, (PEAK, 1, 1), ""),
        ((0, 4, 8), 12, (PEAK + 1, 1, 1), "rises too high"),
        ((0, 4, 8), 12, (1, PEAK, 1), ""),
        ((0, 4, 8), 12, (1, PEAK + 1, 1), "rises too high"),
        ((0, 4, 8), 12, (1, 1, PEAK), ""),
        ((0, 4, 8), 12, (1, 1, PEAK + 1), "rises too high"),
        ((0, 4, 8), 12, (MEAN, MEAN, MEAN), ""),
        ((0, 4, 8), 12, (MEAN, MEAN, MEAN + 1), "too high"),
        # What is shorter than a second may have a second's bits.
        ((0, 4, 8), 8.55, (1, 1, PEAK // 4), ""),
        ((0, 4, 8), 8.55, (1, 1, PEAK // 4 + 1), "rises too high"),
        ((0,), 0.5, (MEAN // 4,), ""),
        ((0,), 0.5, (MEAN // 4 + 1,), "too high"),
    ],
)
@pytest.mark.parametrize("shift", [0, 10 * TICKS])
def test_bits_stay_within_what_the_size_deserves(
    seconds: tuple[float, ...], end: float, sizes: tuple[int, ...], problem: str, shift: int
) -> None:
    made = key_track(*seconds, end=end)
    made = msgspec.structs.replace(
        made,
        sizes=array("I", sizes),
        composition=array("q", (time + shift for time in made.composition)),
        end=made.end + shift,
    )
    found = reason(made, shift / TICKS)
    assert found == "" if not problem else problem in found
