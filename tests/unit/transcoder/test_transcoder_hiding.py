"""A track whose settings its decoder refuses is hidden, and nothing else changes."""

import random
import struct

import pytest

from services.transcoder.planning.hidden import Hidden, Hiding
from services.transcoder.planning.hiding import hide_track


def with_hidden(data: bytes, hidden: tuple[Hidden, ...], size: int, start: int = 0) -> bytes:
    """A file from byte ``start`` on with hidden tracks, read in parts of ``size`` bytes."""
    hiding = Hiding(start, hidden)
    parts = [hiding.add(data[at : at + size]) for at in range(start, len(data), size)]
    return b"".join(parts) + hiding.end()


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


def riff(name: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def avi() -> bytes:
    picture = riff(b"strf", bytes(16) + b"H264" + bytes(20))
    sound = riff(b"strf", b"\xff\0" + bytes(16) + b"settings")
    tracks = [
        riff(b"LIST", b"strl", riff(b"strh", kind + bytes(52)), settings)
        for kind, settings in ((b"vidsH264", picture), (b"auds\0\0\0\0", sound))
    ]
    return riff(b"RIFF", b"AVI ", riff(b"LIST", b"hdrl", riff(b"avih", bytes(56)), *tracks))


def asf() -> bytes:
    def track(kind: str, settings: bytes) -> bytes:
        content = bytes.fromhex(kind) + bytes(38) + settings
        name = bytes.fromhex("9107dcb7b7a9cf118ee600c00c205365")
        return name + struct.pack("<Q", 24 + len(content)) + content

    picture = track("c0ef19bc4d5bcf11a8fd00805f5c442b", bytes(27) + b"WMV3" + bytes(20))
    sound = track("409e69f84d5bcf11a8fd00805f5c442b", b"\x61\1" + bytes(16))
    return bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(14) + picture + sound


def flv() -> bytes:
    tags = ((18, b"onMetaData"), (9, b"\x17\0picture"), (8, b"\xaf\0settings"), (8, b"\xaf\1sound"))
    return b"FLV\1\5\0\0\0\x09\0\0\0\0" + b"".join(
        bytes((kind,)) + len(body).to_bytes(3) + bytes(7) + body + bytes(4) for kind, body in tags
    )


def mp4() -> bytes:
    def box(name: bytes, *parts: bytes) -> bytes:
        content = b"".join(parts)
        return struct.pack(">I", 8 + len(content)) + name + content

    def track(entry: bytes) -> bytes:
        table = box(b"stbl", box(b"stsd", bytes(8), entry))
        return box(b"trak", box(b"tkhd", bytes(8)), box(b"mdia", box(b"minf", table)))

    sound = box(b"mp4a", bytes(28), box(b"esds", b"settings"))
    moov = box(b"moov", track(box(b"avc1", bytes(78))), track(sound))
    return box(b"ftyp", b"isom") + moov + box(b"moof")


def ts() -> bytes:
    entries = b"\x1b\xe1\0\xf0\0" + b"\x06\xe1\1\xf0\6\5\4Opus"
    section = b"\2\xb0" + bytes((13 + len(entries),)) + bytes(7) + b"\xf0\0" + entries + bytes(4)
    packets = [
        b"G\x50\0" + bytes((0x10 | n,)) + b"\0" + section + b"\xff" * (183 - len(section))
        for n in range(6)
    ]
    return b"".join(packets)


HEADS = [
    (avi(), b"\xff\0", "aac"),
    (asf(), b"\x61\1", "wmav2"),
    (flv(), b"\x08\0\0\x0a", "aac"),
    (mp4(), b"mp4a", "aac"),
    (ts(), b"\x06\xe1\1", "opus"),
]


@pytest.mark.parametrize(("data", "mark", "codec"), HEADS, ids=["avi", "asf", "flv", "mp4", "ts"])
def test_a_sound_loses_its_name_and_nothing_else_its_place(
    data: bytes, mark: bytes, codec: str
) -> None:
    found = hide_track(data, 1)
    assert found is not None
    assert (found.number, found.kind, found.codec) == (1, "audio", codec)
    changed = with_hidden(data, (found,), 100)
    assert len(changed) == len(data)
    assert mark in data
    assert mark not in changed
    picture = hide_track(data, 0)
    assert picture is not None
    assert picture.kind == "video"
    assert hide_track(data, 2) is None


@pytest.mark.parametrize(
    "data", [head for head, *_ in HEADS], ids=["avi", "asf", "flv", "mp4", "ts"]
)
def test_damaged_heads_hide_nothing_beyond_their_end(data: bytes) -> None:
    chance = random.Random(7)
    for end in range(len(data)):
        broken = bytearray(data[: end + 1])
        for _ in range(chance.randrange(3)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        for number in range(3):
            found = hide_track(bytes(broken), number)
            assert found is None or found.again or found.place + len(found.data) <= len(broken)


@pytest.mark.parametrize("size", [None, b"\x01" + b"\xff" * 7])
def test_a_track_of_matroska_keeps_its_kind_and_loses_its_name(size: bytes | None) -> None:
    data = matroska(b"V_MPEG4/ISO/AVC", b"A_VORBIS", b"A_OPUS", size=size)
    found = hide_track(data, 1)
    assert found is not None
    assert (found.number, found.kind, found.codec) == (1, "audio", "vorbis")
    assert with_hidden(data, (found,), 64) == data.replace(b"A_VORBIS", b"A_XXXXXX")
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
        assert with_hidden(data, hidden, size) == whole
        assert with_hidden(data, hidden, size, start=11) == whole[11:]


def test_what_comes_again_is_changed_each_time_also_between_two_parts() -> None:
    hidden = (
        Hidden(0, 0, b"XYZ", "audio", "opus", again=b"abc"),
        # Hidden after the first one, in the same table.
        Hidden(1, 0, b"XYW", "audio", "opus", again=b"XYZ"),
        Hidden(2, 4, b"!", "audio", "opus"),
    )
    data = b"..abc...abcabc.ab"
    whole = b"..XY!...XYWXYW.ab"
    for size in (1, 2, 3, 7, 30):
        assert with_hidden(data, hidden, size) == whole
