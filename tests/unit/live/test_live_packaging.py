"""Times, cuts and layouts of a session: what ffmpeg is asked for, decided without it."""

import pytest

from services.live.flv.settings import AvcSettings, avc_settings, is_plain_aac
from services.live.flv.sink import Stopped
from services.live.flv.tags import AUDIO, VIDEO, Tag
from services.live.packaging.command import arguments
from services.live.packaging.cuts import Cuts
from services.live.packaging.group import LastGroup
from services.live.packaging.layout import Picture, Rung, Sound, plan
from services.live.packaging.timeline import BEGIN_MS, Timeline
from tests.support.flv_files import tags
from tests.support.rtmp_bytes import RECORDED

HD = Picture("h264", 1920, 1080, 30.0)
AAC = Sound("aac", copied=True)


def placed(timeline: Timeline, at: int, now: float, kind: int = VIDEO) -> tuple[int, bool] | None:
    return timeline.place(kind, at, now)


def test_times_begin_near_zero_whatever_the_publisher_says() -> None:
    timeline = Timeline()
    assert placed(timeline, 3_600_000, 0) == (BEGIN_MS, False)
    assert placed(timeline, 3_600_040, 40) == (BEGIN_MS + 40, False)
    assert placed(timeline, 3_599_990, 40, AUDIO) == (BEGIN_MS - 10, False)


def test_times_go_on_after_two_to_the_32() -> None:
    timeline = Timeline()
    placed(timeline, 0xFFFFFFF0, 0)
    assert placed(timeline, 0x10, 32) == (BEGIN_MS + 32, False)
    assert placed(timeline, 0x30, 64) == (BEGIN_MS + 64, False)


def test_what_runs_ahead_is_dropped_and_at_last_ends_the_stream() -> None:
    timeline = Timeline()
    placed(timeline, 0, 0)
    assert placed(timeline, 5000, 40) == (BEGIN_MS + 5000, False)
    assert placed(timeline, 4_297_000, 80, AUDIO) is None
    assert placed(timeline, 60, 120, AUDIO) == (BEGIN_MS + 60, False)
    assert timeline.dropped == 1
    for number in range(300):
        assert placed(timeline, 4_000_000 + number, 200 + number) is None
    with pytest.raises(Stopped, match="real time"):
        placed(timeline, 4_001_000, 600)


def test_a_clock_that_is_a_little_fast_is_borne() -> None:
    timeline = Timeline()
    placed(timeline, 0, 0)
    day = 86_400_000
    assert placed(timeline, day + day // 200, day) is not None


def test_a_publisher_that_begins_again_goes_on_in_the_timeline() -> None:
    timeline = Timeline()
    placed(timeline, 100_000, 0)
    placed(timeline, 120_000, 20_000)
    assert placed(timeline, 0, 20_040) == (BEGIN_MS + 20_001, True)
    assert placed(timeline, 40, 20_080) == (BEGIN_MS + 20_041, False)
    assert placed(timeline, 10, 20_080, AUDIO) == (BEGIN_MS + 20_011, False)


def test_a_tag_of_a_moment_before_the_last_is_dropped() -> None:
    timeline = Timeline()
    placed(timeline, 0, 0)
    placed(timeline, 1000, 1000)
    assert placed(timeline, 900, 1040) is None
    assert placed(timeline, 1000, 1040) == (BEGIN_MS + 1000, False)


def test_segments_begin_at_key_pictures_two_seconds_apart() -> None:
    cuts = Cuts(7)
    for at in range(100):
        cuts.picture(1 + at / 10, key=at % 5 == 0)
    numbers = [cuts.number(1 + at / 10) for at in (0, 19, 20, 39, 40, 99)]
    assert numbers == [7, 7, 8, 8, 9, 11]
    assert cuts.number(0.5) is None
    # Sound that begins a moment early.
    assert cuts.number(2.98) == 8
    assert cuts.following == 12


def test_cuts_of_own_keys_are_the_first_pictures_shown_after_two_seconds() -> None:
    cuts = Cuts(0, own_gop=2.0)
    # With B frames: each third picture is decoded two before it is shown.
    order = [0.0, *(at for base in range(1, 200, 3) for at in (base + 2, base, base + 1))]
    for at in order:
        cuts.picture(at / 25, key=at == 0)
    assert [cuts.number(at) for at in (0, 1.96, 2.0, 3.96, 4.0)] == [0, 0, 1, 1, 2]


def test_a_fit_picture_is_copied_and_has_lower_rungs() -> None:
    layout = plan(HD, AAC, heights=(240, 480), long_gop=False)
    assert layout.rungs == (Rung("top", copied=True), Rung("480", 480), Rung("240", 240))
    assert layout.tracks == ("top", "480", "240", "a")
    small = plan(Picture("h264", 640, 360), None, heights=(240, 480), long_gop=False)
    assert small.tracks == ("top", "240")


@pytest.mark.parametrize(
    ("picture", "long_gop", "height"),
    [
        (HD, True, 0),
        (Picture("hevc", 1920, 1080), False, 0),
        (Picture("h264", 3840, 2160, plain=False), False, 1080),
        (Picture("av1"), False, 0),
    ],
)
def test_a_picture_that_is_not_fit_is_encoded(picture: Picture, long_gop: bool, height: int):
    layout = plan(picture, AAC, heights=(240,), long_gop=long_gop)
    assert layout.rungs == (Rung("top", height), Rung("240", 240))


def test_what_costs_most_is_dropped_first_and_the_copy_never() -> None:
    layout = plan(HD, AAC, heights=(240, 480), long_gop=False)
    one = layout.without_costliest()
    assert one is not None
    assert one.tracks == ("top", "240", "a")
    two = one.without_costliest()
    assert two is not None
    assert two.tracks == ("top", "a")
    assert two.without_costliest() is None


def test_the_command_has_one_output_for_each_track() -> None:
    layout = plan(HD, Sound("opus"), heights=(240,), long_gop=False)
    command = arguments("ffmpeg", layout, (10, 11, 12))
    assert [part for part in command if part.startswith("pipe:")] == [
        *("pipe:0", "pipe:10", "pipe:11", "pipe:12")
    ]
    assert command.count("copy") == 1
    assert "nobuffer" not in " ".join(command)


def test_settings_of_a_real_publisher_are_read() -> None:
    header = RECORDED.index(b"\x17\x00\x00\x00\x00\x01")
    body = RECORDED[header : header + 60]
    assert avc_settings(body) == AvcSettings(160, 90, plain=True, frame_rate=10.0)
    for size in range(len(body)):
        found = avc_settings(body[:size])
        assert found is None or found.height == 90
    assert is_plain_aac(b"\x11\x90")
    assert not is_plain_aac(b"\x12\x08")
    assert not is_plain_aac(b"\x11")


def test_the_last_group_is_bounded() -> None:
    group = LastGroup()
    group.add(Tag(AUDIO, 0, b"a"), key=False)
    assert group.tags == []
    group.add(Tag(VIDEO, 0, b"k"), key=True)
    group.add(Tag(AUDIO, 1, b"a"), key=False)
    assert len(group.tags) == 2
    for at in range(10):
        group.add(Tag(VIDEO, at, bytes(4 << 20)), key=False)
    assert group.tags == []
    group.add(Tag(VIDEO, 0, b"k"), key=True)
    assert len(group.tags) == 1


def test_tags_of_a_file_are_read() -> None:
    assert tags(b"FLV\1\5\0\0\0\t\0\0\0\0" + b"\x09\0\0\1\0\0\5\0\0\0\0x\0\0\0\x0c") == [
        Tag(VIDEO, 5, b"x")
    ]
