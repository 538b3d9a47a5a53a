"""Hides a track whose settings its decoder refuses. Pure.

ffprobe then describes no stream of the file. Where the codec has another name, or its settings are
not there, ffprobe describes the others; all else is in its place.
"""

from collections.abc import Iterator
from typing import Final

from services.transcoder.planning import hiding_tables
from services.transcoder.planning.hidden import Hidden
from services.transcoder.planning.hiding_programs import hidden_in_programs

# So much of a file is looked at for its tracks.
HEAD_BYTES: Final = 1 << 20

_EBML: Final = b"\x1a\x45\xdf\xa3"
_SEGMENT: Final = 0x18538067
_TRACKS: Final = 0x1654AE6B
_TRACK: Final = 0xAE
_CODEC: Final = 0x86
_NO_CODEC: Final = b"X"

_PAGE: Final = b"OggS"
_PAGE_HEADER: Final = 27
_FIRST_PAGE: Final = 0x02
_CRC: Final = 0x04C11DB7
_OGG_PICTURES: Final = frozenset(("theora", "dirac", "daala"))
_OGG_NAMES: Final = ("vorbis", "theora", "Opus", "Speex", "FLAC", "BBCD", "CELT", "daala")


def hide_track(head: bytes, number: int) -> Hidden | None:
    """Hide track ``number`` of a file that begins with ``head``; None where that is not known."""
    if head.startswith(_EBML):
        return _hidden_in_matroska(head, number)
    if head.startswith(_PAGE):
        return _hidden_in_ogg(head, number)
    in_table = hiding_tables.way_of(head) or hidden_in_programs
    return in_table(head, number)


def _hidden_in_matroska(head: bytes, number: int) -> Hidden | None:
    parts = [(0, len(head))]
    for wanted in (_SEGMENT, _TRACKS, _TRACK):
        inside = (part for begin, end in parts[:1] for part in _elements(head, begin, end))
        parts = [(begin, end) for name, begin, end in inside if name == wanted]
    if number >= len(parts):
        return None
    for name, begin, end in _elements(head, *parts[number]):
        if name == _CODEC and end - begin > 2:
            # Such as "A_VORBIS" or "V_MPEG4/ISO/AVC". Without its kind, it would be no track.
            kind = "video" if head[begin : begin + 1] == b"V" else "audio"
            codec = head[begin + 2 : end].decode("latin-1").partition("/")[0].lower()
            data = _NO_CODEC * (end - begin - 2)
            return Hidden(number, begin + 2, data, kind, codec if codec.isalnum() else "unknown")
    return None


def _elements(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The elements from ``at`` to ``end``: the id of each, and where its content begins and ends.

    RFC 8794, 4 and 5.
    """
    while at + 2 <= min(end, len(data)):
        length = 9 - data[at].bit_length()
        name = int.from_bytes(data[at : at + length])
        at += length
        if length > 4 or at >= len(data):
            return
        length = 9 - data[at].bit_length()
        if length > 8:
            return
        size = int.from_bytes(data[at : at + length]) & ((1 << 7 * length) - 1)
        at += length
        # All ones: not known.
        last = end if size == (1 << 7 * length) - 1 else min(end, at + size)
        yield name, at, last
        at = last


def _hidden_in_ogg(head: bytes, number: int) -> Hidden | None:
    at = found = 0
    while head[at : at + 4] == _PAGE and at + _PAGE_HEADER < len(head):
        content = at + _PAGE_HEADER + head[at + _PAGE_HEADER - 1]
        end = content + sum(head[at + _PAGE_HEADER : content])
        if not head[at + 5] & _FIRST_PAGE or end > len(head):
            return None
        if found == number:
            name = next((n for n in _OGG_NAMES if n.encode() in head[content : content + 9]), "")
            kind = "video" if name in _OGG_PICTURES else "audio"
            return Hidden(number, at, _renamed(head[at:end], content - at), kind, name.lower())
        found, at = found + 1, end
    return None


def _renamed(page: bytes, content: int) -> bytes:
    """A page whose content begins with no codec's name, with the checksum of that (RFC 3533, 6)."""
    changed = page[:22] + bytes(4) + page[26:content] + _NO_CODEC * 2 + page[content + 2 :]
    checksum = 0
    for byte in changed:
        checksum ^= byte << 24
        for _ in range(8):
            checksum = (checksum << 1 ^ (_CRC if checksum >> 31 else 0)) & 0xFFFFFFFF
    return changed[:22] + checksum.to_bytes(4, "little") + changed[26:]
