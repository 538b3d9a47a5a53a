"""Hides tracks of containers that describe them once: AVI, ASF, FLV, MP4 in fragments. Pure."""

from collections.abc import Callable, Iterator
from typing import Final

from services.transcoder.planning.hidden import Hidden
from shared.mp4.sample_entry import hide_settings

Way = Callable[[bytes, int], Hidden | None]
"""Hides a numbered track of a file, of which it gets the beginning."""

_NO_CODEC: Final = b"X"

_RIFF: Final = b"RIFF"
# What WAVEFORMATEX calls codecs that have settings (RFC 2361), and what it calls none.
_WAV_CODECS: Final = {
    0x0A: "wmavoice",
    0x55: "mp3",
    0xFF: "aac",
    0x160: "wmav1",
    0x161: "wmav2",
    0x162: "wmapro",
    0x163: "wmalossless",
    0x6771: "vorbis",
    0xF1AC: "flac",
}
_NO_FORMAT: Final = _NO_CODEC * 2
# Where BITMAPINFOHEADER has the codec's code of four characters.
_COMPRESSION: Final = 16

_ASF: Final = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_HEADER: Final = 30
_ASF_TRACK: Final = bytes.fromhex("9107dcb7b7a9cf118ee600c00c205365")
_ASF_SOUND: Final = bytes.fromhex("409e69f84d5bcf11a8fd00805f5c442b")
_ASF_PICTURE: Final = bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")
# Where a track's own data begin, and those of its picture after them.
_ASF_SETTINGS: Final = 78
_ASF_BITMAP: Final = 11

_FLV: Final = b"FLV\x01"
_FLV_HEADER: Final = 13
_FLV_TAG: Final = 11
_FLV_KINDS: Final = {8: "audio", 9: "video"}
_NO_TAG: Final = b"\x0f"

_MP4: Final = frozenset((b"ftyp", b"moov", b"styp"))
_TO_ENTRIES: Final = (b"mdia", b"minf", b"stbl", b"stsd")
_ENTRIES: Final = {
    b"mp4a": ("audio", "aac"),
    b"Opus": ("audio", "opus"),
    b"fLaC": ("audio", "flac"),
    b"alac": ("audio", "alac"),
    b"ac-3": ("audio", "ac3"),
    b"ec-3": ("audio", "eac3"),
    b"avc1": ("video", "h264"),
    b"hvc1": ("video", "hevc"),
    b"hev1": ("video", "hevc"),
}


def way_of(head: bytes) -> Way | None:
    """How tracks of a file that begins with ``head`` are hidden; None of other containers."""
    if head[4:8] in _MP4:
        return _in_mp4
    ways = ((_RIFF, _in_avi), (_ASF, _in_asf), (_FLV, _in_flv))
    return next((way for beginning, way in ways if head.startswith(beginning)), None)


def _in_avi(head: bytes, number: int) -> Hidden | None:
    tracks = [
        (begin, end)
        for name, first, last in _chunks(head, 12, len(head))
        if name == b"LIST" and head[first : first + 4] == b"hdrl"
        for inner, begin, end in _chunks(head, first + 4, last)
        if inner == b"LIST" and head[begin : begin + 4] == b"strl"
    ]
    if number >= len(tracks):
        return None
    begin, end = tracks[number]
    parts = {name: (first, last) for name, first, last in _chunks(head, begin + 4, end)}
    if b"strh" not in parts or b"strf" not in parts:
        return None
    header, settings = parts[b"strh"][0], parts[b"strf"][0]
    if head[header : header + 4] == b"auds":
        return _without_format(head, number, settings)
    # ffmpeg takes the header's code where the picture's own says nothing.
    return _without_code(head, number, header + 4, settings + _COMPRESSION)


def _chunks(head: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The chunks of a RIFF file: the name of each, and where its content begins and ends."""
    while at + 8 <= min(end, len(head)):
        size = int.from_bytes(head[at + 4 : at + 8], "little")
        yield head[at : at + 4], at + 8, min(end, at + 8 + size)
        at += 8 + size + size % 2


def _in_asf(head: bytes, number: int) -> Hidden | None:
    tracks: list[int] = []
    at = _ASF_HEADER
    while at + 24 <= len(head):
        if head[at : at + 16] == _ASF_TRACK:
            tracks.append(at)
        at += max(24, int.from_bytes(head[at + 16 : at + 24], "little"))
    if number >= len(tracks):
        return None
    kind = head[tracks[number] + 24 : tracks[number] + 40]
    settings = tracks[number] + _ASF_SETTINGS
    if kind == _ASF_SOUND:
        return _without_format(head, number, settings)
    code = settings + _ASF_BITMAP + _COMPRESSION
    return _without_code(head, number, code, code) if kind == _ASF_PICTURE else None


def _without_format(head: bytes, number: int, place: int) -> Hidden | None:
    """A sound whose WAVEFORMATEX at ``place`` names no codec."""
    if place + 2 > len(head):
        return None
    codec = _WAV_CODECS.get(int.from_bytes(head[place : place + 2], "little"), "unknown")
    return Hidden(number, place, _NO_FORMAT, "audio", codec)


def _without_code(head: bytes, number: int, first: int, second: int) -> Hidden | None:
    """A picture whose codes of four characters at two places are none."""
    code, end = head[second : second + 4], second + 4
    if first > second or end > len(head):
        return None
    data = bytearray(head[first:end])
    data[:4] = data[-4:] = _NO_CODEC * 4
    name = code.decode("latin-1").lower()
    return Hidden(number, first, bytes(data), "video", name if name.isalnum() else "unknown")


def _in_flv(head: bytes, number: int) -> Hidden | None:
    """A track without its first packet, which has its decoder's settings."""
    kinds: list[int] = []
    at = _FLV_HEADER
    while at + _FLV_TAG < len(head):
        kind, size = head[at], int.from_bytes(head[at + 1 : at + 4])
        if kind in _FLV_KINDS and kind not in kinds:
            kinds.append(kind)
            if len(kinds) > number:
                return Hidden(number, at, _NO_TAG, _FLV_KINDS[kind], _flv_codec(head, at))
        at += _FLV_TAG + size + 4
    return None


def _flv_codec(head: bytes, at: int) -> str:
    first = head[at + _FLV_TAG]
    if head[at] == 8:
        return {10: "aac", 2: "mp3"}.get(first >> 4, "unknown")
    return {7: "h264", 12: "hevc"}.get(first & 15, "unknown") if first < 0x80 else "unknown"


def _in_mp4(head: bytes, number: int) -> Hidden | None:
    """A track of a file in fragments, whose description has another name."""
    tracks = [
        (begin, end)
        for name, first, last in _boxes(head, 0, len(head))
        if name == b"moov"
        for inner, begin, end in _boxes(head, first, last)
        if inner == b"trak"
    ]
    if number >= len(tracks):
        return None
    begin, end = tracks[number]
    for wanted in _TO_ENTRIES:
        found = (part for part in _boxes(head, begin, end) if part[0] == wanted)
        _, begin, end = next(found, (wanted, end, end))
    # The entries follow a version and their number.
    entry = next(_boxes(head, begin + 8, end), None)
    if entry is None:
        return None
    name, begin, last = entry
    kind, codec = _ENTRIES.get(name, ("video", "unknown"))
    data = hide_settings(head[begin - 8 : last])
    return Hidden(number, begin - 8, data[:4] + _NO_CODEC * 4 + data[8:], kind, codec)


def _boxes(head: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes of an MP4 file: the name of each, and where its content begins and ends."""
    while at + 8 <= min(end, len(head)):
        size = int.from_bytes(head[at : at + 4])
        if size < 8:
            return
        yield head[at + 4 : at + 8], at + 8, min(end, at + size)
        at += size
