"""What ffprobe says, and what it comes to."""

import json
from fractions import Fraction
from itertools import accumulate
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.transcoder.encoding.probe import with_extent
from services.transcoder.planning.ffprobe_answer import parse_report
from services.transcoder.planning.media_errors import MediaRejected
from services.transcoder.planning.probe_report import Extent, ProbedSource, read_source

VIDEO: dict[str, Any] = {
    "index": 0,
    "codec_type": "video",
    "codec_name": "h264",
    "width": 1920,
    "height": 1080,
    "r_frame_rate": "30/1",
    "avg_frame_rate": "30/1",
    "duration": "10.0",
    "pix_fmt": "yuv420p",
}
AUDIO: dict[str, Any] = {
    "index": 1,
    "codec_type": "audio",
    "codec_name": "aac",
    "channels": 2,
    "sample_rate": "44100",
}


def read(*streams: dict[str, Any], **container: Any) -> ProbedSource:
    described = {"format_name": "mov,mp4,m4a,3gp,3g2,mj2", "duration": "10.0", **container}
    report = {"streams": list(streams), "format": described}
    return read_source(parse_report(json.dumps(report).encode()), 1000)


def test_an_ordinary_video() -> None:
    source = read(VIDEO, AUDIO)
    video = source.facts.video
    assert video is not None
    assert (video.width, video.height, video.frame_rate) == (1920, 1080, "30/1")
    assert (video.rotation, video.interlaced, video.hdr) == (0, False, False)
    assert [(track.channels, track.sample_rate) for track in source.facts.audio] == [(2, 44100)]
    assert (source.facts.container, source.facts.duration_ms) == ("mov", 10_000)
    assert (source.facts.size, source.facts.bit_rate) == (1000, None)


@pytest.mark.parametrize(
    ("container", "seekable"),
    [
        ("mov,mp4,m4a,3gp,3g2,mj2", True),
        ("matroska,webm", True),
        ("mpegts", False),
        ("avi", False),
    ],
)
def test_chunks_may_begin_in_the_middle_of_some_containers(
    container: str, *, seekable: bool
) -> None:
    assert read(VIDEO, format_name=container).seekable == seekable


@pytest.mark.parametrize(
    ("changes", "channels", "rate"),
    [
        ({"channels": 1}, 1, 44_100),
        ({"channels": 8}, 8, 44_100),
        # More than any player has are mixed down.
        ({"channels": 9}, 8, 44_100),
    ],
)
def test_sound(changes: dict[str, Any], channels: int, rate: int) -> None:
    (track,) = read(VIDEO, {**AUDIO, **changes}).facts.audio
    assert (track.index, track.channels, track.sample_rate) == (0, channels, rate)


def test_only_sound_that_can_be_heard_is_a_track() -> None:
    silent = ({**AUDIO, "channels": 0}, {**AUDIO, "sample_rate": "0"})
    data = {**AUDIO, "codec_type": "data"}
    assert read(VIDEO, *silent, data).facts.audio == ()


def test_eight_sound_tracks_are_kept() -> None:
    tracks = read(*({**AUDIO, "index": i} for i in range(9))).facts.audio
    assert [track.index for track in tracks] == list(range(8))


@pytest.mark.parametrize(
    ("track", "container", "seconds"),
    [
        ("10.0", "12.0", 10.0),
        (None, "12.0", 12.0),
        ("0.5", "12.0", 0.5),
        ("N/A", "12.0", 12.0),
        ("0", "12.0", 12.0),
        ("-3", "12.0", 12.0),
        ("nan", "12.0", 12.0),
        ("inf", "12.0", 12.0),
        ("N/A", "0", None),
        (None, None, None),
        # A day is the most.
        ("86400", None, 86_400.0),
    ],
)
def test_the_length_is_the_tracks_and_else_the_containers(
    track: str | None, container: str | None, seconds: float | None
) -> None:
    source = read({**VIDEO, "duration": track}, duration=container)
    assert source.duration == seconds
    assert source.facts.duration_ms == 1000 * (seconds or 0)


@pytest.mark.parametrize(
    ("stated", "start"),
    [
        (None, 0.0),
        ("N/A", 0.0),
        ("1.5", 1.5),
        ("-0.021", -0.021),
        ("999999999", 999_999_999.0),
        # A clock that is off by decades is no time in the video.
        ("1000000000", 0.0),
        ("-1000000000", 0.0),
        ("inf", 0.0),
        ("nan", 0.0),
    ],
)
def test_the_first_timestamp(stated: str | None, start: float) -> None:
    assert read(VIDEO, start_time=stated).start == start


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({"sample_aspect_ratio": "4:3"}, (2560, 1080)),
        ({"sample_aspect_ratio": "8:9"}, (1920, 1215)),
        ({"sample_aspect_ratio": "0:1"}, (1920, 1080)),
        # Pixels ten times as long as wide are strange, beyond that they are a mistake.
        ({"sample_aspect_ratio": "10:1"}, (19_200, 1080)),
        ({"sample_aspect_ratio": "1:10"}, (1920, 10_800)),
        ({"sample_aspect_ratio": "11:1"}, (1920, 1080)),
        ({"sample_aspect_ratio": "1:11"}, (1920, 1080)),
        ({"side_data_list": [{"rotation": -90}]}, (1080, 1920)),
        ({"side_data_list": [{}, {"rotation": 90}]}, (1080, 1920)),
        ({"side_data_list": [{"rotation": 180}]}, (1920, 1080)),
        ({"sample_aspect_ratio": "4:3", "side_data_list": [{"rotation": 90}]}, (1080, 2560)),
    ],
)
def test_the_size_is_what_a_person_sees(changes: dict[str, Any], size: tuple[int, int]) -> None:
    video = read({**VIDEO, **changes}).facts.video
    assert video is not None
    assert (video.width, video.height) == size


@pytest.mark.parametrize(
    ("real", "average", "rate"),
    [
        ("30000/1001", "30000/1001", Fraction(30000, 1001)),
        ("2997/100", "2997/100", Fraction(30000, 1001)),
        ("24/1", "24/1", Fraction(24)),
        ("120/1", "120/1", Fraction(60)),
        ("90000/1", "25/1", Fraction(25)),
        ("240/1", "240/1", Fraction(60)),
        ("15/1", "15/1", Fraction(15)),
        ("0/0", "0/0", Fraction(30)),
        ("1/7", "1/7", Fraction(1)),
        ("3/2", "3/2", Fraction(3, 2)),
        # The base rate is what is shown if a video can have it; else the average is.
        ("1/1", "20/1", Fraction(1)),
        ("60/1", "25/1", Fraction(60)),
        ("0/0", "25/1", Fraction(25)),
        ("90000/1", "0/0", Fraction(90_000, 2048).limit_denominator(1001)),
        # Up to a five-hundredth beside a standard rate is that rate.
        ("2505/100", "2505/100", Fraction(25)),
        ("25051/1000", "25051/1000", Fraction(25_051, 1000)),
        ("0/0", "6012/100", Fraction(60)),
        ("0/0", "6013/100", Fraction(6013, 200)),
    ],
)
def test_frame_rates(real: str, average: str, rate: Fraction) -> None:
    assert read({**VIDEO, "r_frame_rate": real, "avg_frame_rate": average}).frame_rate == rate


@given(st.fractions(min_value=Fraction(1, 100), max_value=1000, max_denominator=5000))
@example(Fraction(10_021, 1002))
def test_any_rate_becomes_one_that_encoders_take(rate: Fraction) -> None:
    found = read({**VIDEO, "r_frame_rate": str(rate), "avg_frame_rate": str(rate)}).frame_rate
    assert 1 <= found <= 60.12
    assert found.denominator <= 1001
    if 1 <= rate <= 60:
        assert abs(found - rate) <= rate / 490


@pytest.mark.parametrize(
    "changes",
    [
        {"disposition": {"attached_pic": 1}},
        {"disposition": {"timed_thumbnails": 1}},
        {"codec_type": "data"},
        {"width": 0},
        {"height": 0},
    ],
)
def test_a_cover_is_not_a_video(changes: dict[str, Any]) -> None:
    source = read({**VIDEO, **changes}, AUDIO)
    assert source.facts.video is None
    assert source.frame_rate == 0
    assert source.main == 1


@pytest.mark.parametrize("size", [(1, 1), (16_384, 4096), (8192, 8192)])
def test_the_smallest_and_the_largest_picture(size: tuple[int, int]) -> None:
    video = read({**VIDEO, "width": size[0], "height": size[1]}).facts.video
    assert video is not None
    assert (video.width, video.height) == size


def test_marks_of_difficult_sources() -> None:
    video = read(
        {**VIDEO, "field_order": "tt", "color_transfer": "smpte2084", "pix_fmt": "yuv420p10le"}
    ).facts.video
    assert video is not None
    assert video.interlaced
    assert video.hdr


def test_languages_are_safe_in_a_playlist() -> None:
    allowed = ["eng", "pt-BR", "de", "a" * 35, " fr "]
    refused = ['en"', "und", "", "a" * 36, "e\nn", "e", "日本", "--", "en US"]

    def language(tag: str) -> str | None:
        return read({**AUDIO, "tags": {"language": tag}}).facts.audio[0].language

    assert [language(tag) for tag in allowed] == ["eng", "pt-BR", "de", "a" * 35, "fr"]
    assert [language(tag) for tag in refused] == [None] * len(refused)


@pytest.mark.parametrize(
    ("streams", "container", "code"),
    [
        ([], {}, "media.no_tracks"),
        ([{"codec_type": "subtitle"}], {}, "media.no_tracks"),
        ([{**VIDEO, "width": 0}], {}, "media.no_tracks"),
        ([{**VIDEO, "width": 16_385}], {}, "media.too_large_picture"),
        ([{**VIDEO, "height": 16_385}], {}, "media.too_large_picture"),
        ([{**VIDEO, "width": 8192, "height": 8193}], {}, "media.too_large_picture"),
        ([AUDIO] * 65, {}, "media.too_many_streams"),
    ],
)
def test_limits(streams: list[dict[str, Any]], container: dict[str, Any], code: str) -> None:
    with pytest.raises(MediaRejected) as caught:
        read(*streams, **container)
    assert caught.value.code == code
    assert caught.value.reason.endswith(".")


def test_sixty_four_tracks_are_not_too_many() -> None:
    assert read(VIDEO, *[AUDIO] * 63).facts.video is not None


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"streams": 3}'])
def test_nonsense_is_rejected(text: bytes) -> None:
    with pytest.raises(MediaRejected):
        parse_report(text)


def extent(*lines: str) -> Extent:
    seen = Extent(main=0)
    for line in lines:
        seen.add(line)
    seen.close()
    return seen


def test_the_packets_say_where_it_ends() -> None:
    source = with_extent(
        read(VIDEO, AUDIO), extent("0,9.9,0.033", "1,10.1,0.02", "0,N/A,1", "x"), whole=False
    )
    assert source.duration == pytest.approx(9.933)
    assert source.facts.duration_ms == 9933


def test_lines_that_state_no_time_are_passed_over() -> None:
    seen = extent("", "0", "x", "x,20,1", "-1,20,1", "0,N/A,1", "0,5.0", "0,4.0,N/A", "1,6.5,0.5")
    assert (seen.main_end, seen.any_end, seen.longest) == (5.0, 7.0, 1.0)
    nothing = extent("0,N/A,N/A", "1,N/A")
    assert (nothing.main_end, nothing.any_end, nothing.longest) == (None, None, 0.0)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=100), st.randoms(use_true_random=False))
def test_the_order_of_decoding_makes_no_difference(lasts: list[int], random: Random) -> None:
    shown = list(accumulate(lasts[:-1], initial=0))
    decoded: list[int] = []
    for start in range(0, len(shown), 16):
        group = shown[start : start + 16]
        random.shuffle(group)
        decoded += group
    duration = dict(zip(shown, lasts, strict=True))
    seen = extent(*(f"0,{time},{duration[time]}" for time in decoded))
    assert seen.main_end == seen.any_end == sum(lasts)
    assert seen.longest == max(lasts)


@pytest.mark.parametrize("lines", [("0,N/A,0.04",) * 3, ("0,N/A,1", "0,N/A,1", "0,0,1")])
def test_pictures_without_times_are_not_taken_for_the_end(lines: tuple[str, ...]) -> None:
    with pytest.raises(MediaRejected) as caught:
        with_extent(read(VIDEO), extent(*lines, "1,10.0,1"), whole=True)
    assert caught.value.code == "media.no_times"


@pytest.mark.parametrize(
    ("container", "late", "ordered"),
    [("avi", 0, True), ("avi", 2, False), ("mpegts", 0, False)],
)
def test_an_avi_file_without_b_frames_is_in_order(
    container: str, late: int, *, ordered: bool
) -> None:
    assert read({**VIDEO, "has_b_frames": late}, format_name=container).ordered == ordered


def test_a_frame_may_be_decoded_thirty_two_places_late() -> None:
    late = extent(*(f"0,{time},1" for time in [*range(1, 33), 0, *range(33, 80)]))
    assert late.longest == 1


def test_a_short_recording_that_is_followed_by_another_jumps_back() -> None:
    once = [f"0,{number * 0.04},0.04" for number in range(20)]
    assert extent(*once).back == 0
    again = extent(*once, *once)
    assert again.back == 1
    (join,) = again.recordings.joins
    assert join.later == pytest.approx(0.8)


def test_pictures_before_the_first_key_frame_are_no_jump() -> None:
    lines = ["0,0.64,0.04", *(f"0,{number * 0.04},0.04" for number in range(16))]
    assert extent(*lines, *(f"0,{number * 0.04},0.04" for number in range(17, 40))).back == 0


def test_a_start_after_zero_is_taken_off() -> None:
    source = with_extent(read(VIDEO, start_time="1.5"), extent("0,11.3,0.1"), whole=True)
    assert source.duration == pytest.approx(9.9)


def test_the_longest_frame_is_found_in_decoding_order() -> None:
    lines = [f"0,{time},0.04" for time in (0.0, 0.12, 0.04, 0.08, 6.0, 6.08, 6.04, 10.0)]
    source = with_extent(read(VIDEO), extent(*lines), whole=True)
    assert source.facts.video is not None
    assert source.facts.video.longest_frame_ms == 5880


def test_what_has_no_packets_is_incomplete() -> None:
    with pytest.raises(MediaRejected) as caught:
        with_extent(read(VIDEO, AUDIO), extent(), whole=True)
    assert caught.value.code == "media.truncated"


def test_what_ends_early_is_kept_up_to_there() -> None:
    found = with_extent(read(VIDEO, AUDIO), extent("0,4.0,0.04", "1,4.1,0.02"), whole=True)
    assert found.facts.duration_ms == 4040
    assert [note.code for note in found.facts.notes] == ["ends_early"]


def test_a_length_that_is_guessed_is_no_statement() -> None:
    found = with_extent(read(AUDIO, format_name="mp3"), extent("1,4.1,0.02"), whole=True)
    assert (found.facts.duration_ms, found.facts.notes) == (4120, ())


def test_a_track_that_is_missing_at_all_lasts_as_long_as_the_others() -> None:
    found = with_extent(read(VIDEO, AUDIO), extent("1,4.1,0.02"), whole=True)
    assert found.facts.duration_ms == 4120


def test_the_time_of_the_end_is_no_length() -> None:
    late = read(VIDEO, start_time="12.0", duration="10.0")
    found = with_extent(late, extent("0,12.0,0.04", "0,21.96,0.04"), whole=True)
    assert found.facts.duration_ms == 10_000
    end = read({**VIDEO, "duration": "22.0"}, start_time="12.0", duration="22.0")
    found = with_extent(end, extent("0,12.0,0.04", "0,21.96,0.04"), whole=True)
    assert found.facts.duration_ms == 10_000
    assert found.facts.notes == ()


def test_an_unknown_length_is_found_by_reading() -> None:
    webm = read({**VIDEO, "duration": None}, duration=None, format_name="matroska,webm")
    assert webm.duration is None
    assert with_extent(webm, extent("0,7.96,0.04"), whole=True).facts.duration_ms == 8000
