"""What ffprobe says, and what it comes to."""

import json
from fractions import Fraction
from typing import Any

import pytest

from services.transcoder.encoding.probe import with_extent
from services.transcoder.planning.media_errors import MediaRejected
from services.transcoder.planning.probe_report import (
    Extent,
    ProbedSource,
    parse_report,
    read_source,
)

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
    assert [track.sample_rate for track in source.facts.audio] == [44100]
    assert source.seekable


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({"sample_aspect_ratio": "4:3"}, (2560, 1080)),
        ({"sample_aspect_ratio": "8:9"}, (1920, 1215)),
        ({"sample_aspect_ratio": "0:1"}, (1920, 1080)),
        ({"sample_aspect_ratio": "1000:1"}, (1920, 1080)),
        ({"side_data_list": [{"rotation": -90}]}, (1080, 1920)),
        ({"side_data_list": [{}, {"rotation": 180}]}, (1920, 1080)),
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
    ],
)
def test_frame_rates(real: str, average: str, rate: Fraction) -> None:
    assert read({**VIDEO, "r_frame_rate": real, "avg_frame_rate": average}).frame_rate == rate


def test_a_cover_is_not_a_video() -> None:
    cover = {**VIDEO, "codec_name": "mjpeg", "disposition": {"attached_pic": 1}}
    source = read(cover, AUDIO)
    assert source.facts.video is None
    assert source.main == 1


def test_marks_of_difficult_sources() -> None:
    video = read(
        {**VIDEO, "field_order": "tt", "color_transfer": "smpte2084", "pix_fmt": "yuv420p10le"}
    ).facts.video
    assert video is not None
    assert video.interlaced
    assert video.hdr


def test_languages_are_safe_in_a_playlist() -> None:
    given = ['en"', "eng", "und", "", "pt-BR", "a" * 99, "e\nn"]
    tracks = read(*({**AUDIO, "index": i, "tags": {"language": t}} for i, t in enumerate(given)))
    languages = [track.language for track in tracks.facts.audio]
    assert languages == [None, "eng", None, None, "pt-BR", None, None]


@pytest.mark.parametrize(
    ("streams", "container", "code"),
    [
        ([], {}, "media.no_tracks"),
        ([{"codec_type": "subtitle"}], {}, "media.no_tracks"),
        ([{**VIDEO, "width": 0}], {}, "media.no_tracks"),
        ([{**VIDEO, "width": 20_000}], {}, "media.too_large_picture"),
        ([{**VIDEO, "width": 16_000, "height": 16_000}], {}, "media.too_large_picture"),
        ([{**VIDEO, "duration": "90000"}], {}, "media.too_long"),
        ([AUDIO] * 65, {}, "media.too_many_streams"),
    ],
)
def test_limits(streams: list[dict[str, Any]], container: dict[str, Any], code: str) -> None:
    with pytest.raises(MediaRejected) as caught:
        read(*streams, **container)
    assert caught.value.code == code
    assert caught.value.reason.endswith(".")


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


def test_a_start_after_zero_is_taken_off() -> None:
    source = with_extent(read(VIDEO, start_time="1.5"), extent("0,11.3,0.1"), whole=True)
    assert source.duration == pytest.approx(9.9)


def test_the_longest_frame_is_found_in_decoding_order() -> None:
    lines = [f"0,{time},0.04" for time in (0.0, 0.12, 0.04, 0.08, 6.0, 6.08, 6.04, 10.0)]
    source = with_extent(read(VIDEO), extent(*lines), whole=True)
    assert source.facts.video is not None
    assert source.facts.video.longest_frame_ms == 5880


@pytest.mark.parametrize("lines", [(), ("0,4.0,0.04", "1,4.1,0.02")])
def test_what_ends_early_is_incomplete(lines: tuple[str, ...]) -> None:
    with pytest.raises(MediaRejected) as caught:
        with_extent(read(VIDEO, AUDIO), extent(*lines), whole=True)
    assert caught.value.code == "media.truncated"


def test_an_unknown_length_is_found_by_reading() -> None:
    webm = read({**VIDEO, "duration": None}, duration=None, format_name="matroska,webm")
    assert webm.duration is None
    assert with_extent(webm, extent("0,7.96,0.04"), whole=True).facts.duration_ms == 8000
