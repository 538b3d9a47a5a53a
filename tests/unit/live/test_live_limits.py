"""What a publisher may send: what is measured, over how long, and in which words it ends."""

import pytest

from services.live.flv.sink import OverLimit, Stopped
from services.live.packaging.layout import Picture
from services.live.packaging.limits import MediaLimits, Meter

LIMITS = MediaLimits(bit_rate=8_000_000, pixels=1920 * 1080, frame_rate=30)


def test_a_rate_counts_over_twenty_seconds() -> None:
    meter = Meter(LIMITS)
    # A burst of ten seconds' worth, then the allowed rate.
    meter.arrived(10_000_000, 0.0)
    for second in range(20, 200):
        meter.arrived(1_000_000, float(second))
        meter.pictured(1000 * second)

    def send() -> None:
        for tenth in range(2000, 2300):
            meter.arrived(150_000, tenth / 10)

    with pytest.raises(OverLimit, match="more than the 8 Mbit/s"):
        send()


def test_a_rate_far_above_the_limit_ends_early() -> None:
    meter = Meter(LIMITS)
    for tenth in range(21):
        meter.arrived(1_000_000, tenth / 10)
    with pytest.raises(OverLimit):
        meter.arrived(1_000_000, 2.2)


def test_small_tags_at_one_moment_take_no_memory() -> None:
    meter = Meter(LIMITS)
    for _ in range(10_000):
        meter.arrived(1, 5.0)
    assert len(meter._seconds) == 1
    for _ in range(315):
        meter.pictured(1000)
    with pytest.raises(OverLimit, match="30 pictures a second"):
        meter.pictured(1000)


def test_a_publisher_without_pictures_holds_no_place() -> None:
    meter = Meter(LIMITS)
    for second in range(1000, 1020):
        meter.arrived(10, float(second))
    meter.pictured(1000)
    for second in range(1020, 1050):
        meter.arrived(10, float(second))
    with pytest.raises(Stopped, match="no picture came for 30 s"):
        meter.arrived(10, 1049.5)


@pytest.mark.parametrize(("between", "over"), [(33.3, False), (32, False), (25, True)])
def test_pictures_count_by_their_own_times(between: float, over: bool) -> None:
    meter = Meter(LIMITS)

    def send() -> None:
        for number in range(2000):
            meter.pictured(round(1000 + number * between))

    if over:
        with pytest.raises(OverLimit, match="30 pictures a second"):
            send()
    else:
        send()


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (Picture("h264", 3840, 2160), "3840×2160 is too large: a live may have 2.07 million"),
        (Picture("h264", 1080, 2000), "too large"),
        (Picture("hevc", 640, 360, stated_rate=120.0), "30 pictures a second"),
    ],
)
def test_a_picture_that_is_too_much_is_refused_in_words(picture: Picture, said: str) -> None:
    with pytest.raises(OverLimit, match=said):
        Meter(LIMITS).picture(picture)


@pytest.mark.parametrize(
    "picture",
    [
        Picture("h264", 1080, 1920, 29.97, stated_rate=30.0),
        # Of an H.264 header, which may count fields.
        Picture("h264", 1920, 1080, frame_rate=60.0),
        Picture("av1"),
    ],
)
def test_other_pictures_are_taken(picture: Picture) -> None:
    Meter(LIMITS).picture(picture)
