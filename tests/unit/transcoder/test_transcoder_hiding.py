"""A track whose settings its decoder refuses is hidden, and nothing else changes."""

import pytest

from services.transcoder.planning.hiding import Hidden, hide_track, with_hidden


def element(name: str, content: bytes) -> bytes:
    """An element of Matroska, its length in two bytes."""
    return bytes.fromhex(name) + (0x4000 | len(content)).to_bytes(2) + content


def matroska(*codecs: bytes, size: bytes | None = None) -> bytes:
    tracks = b"".join(element("AE", element("D7", b"\1") + element("86", c)) for c in codecs)
    inside = element("EC", bytes(5)) + element("1654AE6B", tracks) + element("1F43B675", b"frames")
    segment = element("18538067", inside)
    if size is not None:
        segment = bytes.fromhex("18538067") + size + inside
    return element("1A45DFA3", b"webm") + segment


@pytest.mark.parametrize("size", [None, b"\x01" + b"\xff" * 7])
def test_a_track_of_matroska_keeps_its_kind_and_loses_its_name(size: bytes | None) -> None:
    data = matroska(b"V_MPEG4/ISO/AVC", b"A_VORBIS", b"A_OPUS", size=size)
    found = hide_track(data, 1)
    assert found is not None
    assert (found.number, found.kind, found.codec) == (1, "audio", "vorbis")
    assert with_hidden(data, 0, (found,)) == data.replace(b"A_VORBIS", b"A_XXXXXX")
    picture = hide_track(data, 0)
    assert picture is not None
    assert (picture.kind, picture.codec) == ("video", "mpeg4")
    assert hide_track(data, 3) is None


def test_what_is_no_track_is_not_hidden() -> None:
    assert hide_track(b"RIFF....AVI ", 0) is None
    assert hide_track(b"", 0) is None
    data = matroska(b"A_VORBIS")
    for end in range(len(data)):
        found = hide_track(data[:end], 0)
        assert found is None or found.place + len(found.data) <= end


def test_bytes_are_changed_wherever_a_part_begins() -> None:
    hidden = (Hidden(0, 10, b"abc", "audio", "vorbis"), Hidden(1, 20, b"d", "audio", "vorbis"))
    data = bytes(30)
    whole = bytes(10) + b"abc" + bytes(7) + b"d" + bytes(9)
    for size in (1, 2, 3, 7, 30):
        parts = [with_hidden(data[at : at + size], at, hidden) for at in range(0, 30, size)]
        assert b"".join(parts) == whole
