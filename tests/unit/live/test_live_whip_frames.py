"""H.264 pictures of RTP as FLV tags."""

from hypothesis import given
from hypothesis import strategies as st

from services.live.flv.tags import AUDIO, VIDEO, Tag, content
from services.live.whip.frames import OPUS_HEADER, nal_units, opus_packet, picture

SPS = b"\x67\x42\xc0\x1f\x01"
PPS = b"\x68\xce\x3c\x80"


def test_a_key_picture_brings_its_header() -> None:
    made = picture(b"\0\0\0\1" + SPS + b"\0\0\0\1" + PPS + b"\0\0\1" + b"\x65\x11\x22")
    assert made is not None
    assert made.key
    assert made.header == (b"\x17\0\0\0\0\1\x42\xc0\x1f\xff\xe1\0\5" + SPS + b"\1\0\4" + PPS)
    assert made.body == b"\x17\1\0\0\0\0\0\0\3\x65\x11\x22"


def test_other_pictures_bring_none_and_delimiters_are_dropped() -> None:
    made = picture(b"\0\0\1\x09\xf0" + b"\0\0\1\x41\x33")
    assert made is not None
    assert not made.key
    assert made.header is None
    assert made.body == b"\x27\1\0\0\0\0\0\0\2\x41\x33"


def test_what_holds_no_picture_is_none() -> None:
    assert picture(b"") is None
    assert picture(b"\0\0\1" + SPS + b"\0\0\1" + PPS) is None


def test_they_are_what_the_stream_takes() -> None:
    key = picture(b"\0\0\1" + SPS + b"\0\0\1" + PPS + b"\0\0\1\x65\x11")
    assert key is not None
    assert key.header is not None
    header = content(Tag(VIDEO, 0, key.header))
    shown = content(Tag(VIDEO, 0, key.body))
    assert header is not None
    assert shown is not None
    assert (header.codec, header.header) == ("h264", True)
    assert (shown.codec, shown.key) == ("h264", True)
    opus, packet = content(Tag(AUDIO, 0, OPUS_HEADER)), content(Tag(AUDIO, 0, opus_packet(b"x")))
    assert opus is not None
    assert packet is not None
    assert (opus.codec, opus.header) == ("opus", True)
    assert (packet.codec, packet.frames) == ("opus", True)


@given(st.binary(max_size=200))
def test_no_bytes_are_a_surprise(data: bytes) -> None:
    made = picture(data)
    assert made is None or nal_units(data)
