"""Picture and sound of a WebRTC publisher, on one timeline."""

import itertools

from services.live.whip.timeline import Timeline


def test_the_first_picture_is_at_zero_wherever_its_counter_begins() -> None:
    timeline = Timeline()
    assert timeline.picture(900_000, 5.0) == 0
    assert timeline.picture(903_000, 5.1) == 33


def test_sound_has_no_place_before_both_have_reported() -> None:
    timeline = Timeline()
    timeline.picture(0, 1.0)
    timeline.report_picture(100.0, 0)
    assert timeline.sound(0, 1.1) is None
    timeline.report_sound(100.5, 0)
    assert timeline.sound(960, 1.2) == 520


def test_sound_from_before_the_first_picture_is_left_out() -> None:
    timeline = Timeline()
    timeline.picture(0, 1.0)
    timeline.report_picture(100.0, 0)
    timeline.report_sound(99.0, 0)
    assert timeline.sound(0, 1.0) is None
    assert timeline.sound(48_000, 2.0) == 0


def test_without_reports_arrival_has_to_do() -> None:
    timeline = Timeline()
    timeline.picture(0, 1.0)
    assert timeline.sound(0, 2.0) is None
    assert timeline.sound(144_000, 4.5) == 3500
    assert timeline.sound(144_960, 4.6) == 3520


def test_a_sound_card_that_runs_fast_is_followed_without_a_jump() -> None:
    timeline = Timeline()
    timeline.picture(0, 0.0)
    timeline.report_picture(100.0, 0)
    timeline.report_sound(100.0, 0)
    places = [timeline.sound(0, 0.0)]
    for packet in range(1, 3000):
        # A report each second; the card counts 48,048 where a second has passed.
        if packet % 50 == 0:
            timeline.report_sound(100.0 + packet * 960 / 48_048, packet * 960)
        places.append(timeline.sound(packet * 960, packet / 50))
    steps = [b - a for a, b in itertools.pairwise(places) if a is not None and b]
    assert min(steps) >= 19
    assert max(steps) <= 21
    # After a minute it is where the clock of the sender says.
    assert places[-1] is not None
    assert abs(places[-1] - 2999 * 960 / 48.048) < 3
