"""Recognises containers that begin with a header: its structure, and what it says. Pure.

Each function gets a file's beginning, which may be cut anywhere, and returns the name of a
container or None.
"""

from collections.abc import Iterator
from typing import Final

from services.ingest import packet_patterns

# ISO base media brands (mp4ra.org).
_SOUND_BRANDS: Final = frozenset({b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B "})
_PICTURE_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2", b"avif", b"avci", b"jpeg", b"j2ki"}
    | {b"jp2 ", b"jpx ", b"jpm ", b"crx "}
)
# Image sequences (ISO/IEC 23008-12): they have a track of pictures, as a film has.
_SEQUENCE_BRANDS: Final = frozenset(
    {b"avis", b"msf1", b"hevc", b"hevx", b"hevm", b"hevs", b"avcs", b"jpgs", b"j2is"}
)
PROTECTED: Final = frozenset({b"aax ", b"aaxc"})
# Boxes at the top of a file, before the media or instead of ``ftyp``.
_BEFORE: Final = frozenset({b"free", b"skip", b"wide", b"uuid", b"pnot", b"jP  ", b"pdin", b"junk"})
_SEGMENT: Final = frozenset({b"styp", b"sidx", b"ssix", b"moof", b"emsg", b"prft"})
_OLD_QUICKTIME: Final = frozenset({b"moov", b"mdat"})

_OGG_VIDEO: Final = (b"\x80theora", b"BBCD\0", b"OVP80", b"\x01video\0\0\0")
_ID3_FOOTER: Final = 0x10


def iso_media(head: bytes) -> str | None:
    """MP4 and its relatives, by the first boxes: ``ftyp`` need not be the first one."""
    seen: list[bytes] = []
    for kind, at in _boxes(head):
        if kind == b"ftyp":
            return _by_brand(head[at + 8 : at + 12]) if len(head) >= at + 12 else None
        if kind in _SEGMENT:
            return "mp4"
        if kind not in _BEFORE and kind not in _OLD_QUICKTIME:
            return None
        seen.append(kind)
        if kind == b"moov":
            return "mov"
    return "mov" if seen else None


def _boxes(head: bytes) -> Iterator[tuple[bytes, int]]:
    """The top-level boxes: their types and starts. One of an impossible size ends as unknown."""
    at = 0
    while at + 8 <= len(head):
        size, kind = int.from_bytes(head[at : at + 4], "big"), head[at + 4 : at + 8]
        if size == 1:
            size = int.from_bytes(head[at + 8 : at + 16], "big")
        endless = size == 0 and kind == b"mdat"
        if size < 8 and not endless:
            yield b"", at
            return
        yield kind, at
        if endless:
            return
        at += size


def _by_brand(brand: bytes) -> str | None:
    named = {b"qt  ": "mov", b"mjp2": "mj2", b"f4v ": "f4v"}
    if brand in _PICTURE_BRANDS or brand in PROTECTED:
        return None
    if brand in _SEQUENCE_BRANDS:
        return "avif"
    if brand in _SOUND_BRANDS:
        return "m4a"
    if brand[:3] == b"M4V":
        return "m4v"
    return named.get(brand, "3gp" if brand[:2] == b"3g" else "mp4")


def ebml(head: bytes) -> str | None:
    """Matroska or WebM by the DocType of the EBML header (RFC 8794)."""
    length, at = _ebml_number(head, 4, keep_marker=False)
    if length is None:
        return None
    end = min(at + length, len(head))
    while at < end:
        element, at = _ebml_number(head, at, keep_marker=True)
        size, at = _ebml_number(head, at, keep_marker=False)
        if element is None or size is None:
            return None
        if element == 0x4282:
            doctype = head[at : at + size].rstrip(b"\0")
            return {b"matroska": "mkv", b"webm": "webm"}.get(doctype)
        at += size
    return None


def _ebml_number(head: bytes, at: int, *, keep_marker: bool) -> tuple[int | None, int]:
    if at >= len(head) or head[at] == 0:
        return None, at
    length = 9 - head[at].bit_length()
    number = int.from_bytes(head[at : at + length], "big")
    if at + length > len(head):
        return None, at
    return number if keep_marker else number & ~(1 << (7 * length)), at + length


def ogg(head: bytes) -> str | None:
    """Video if one of the streams is; their first pages come first (RFC 3533)."""
    at = 0
    while head[at : at + 4] == b"OggS" and len(head) >= at + 27 and head[at + 5] & 0x02:
        segments = head[at + 26]
        body = at + 27 + segments
        if head[body : body + 9].startswith(_OGG_VIDEO):
            return "ogv"
        at = body + sum(head[at + 27 : body])
    return "oga" if at else None


def riff(head: bytes) -> str | None:
    """AVI, WAV, or the tracks of a video CD."""
    kind = head[8:12]
    if kind == b"CDXA":
        return packet_patterns.program_stream(head)
    return {b"AVI ": "avi", b"AVIX": "avi", b"AMV ": "avi", b"WAVE": "wav"}.get(kind)


def flv(head: bytes) -> str | None:
    """A version below 5, and a header of 9 bytes or a little more."""
    plausible = len(head) >= 9 and head[3] < 5 and head[5:8] == b"\0\0\0" and head[8] >= 9
    return "flv" if plausible else None


def dv(head: bytes) -> str | None:
    """A header block, and the first of two subcode blocks (IEC 61834)."""
    fits = len(head) > 82 and head[3] & 0x7F == 0x3F and head[80] & 0xE0 == 0x20
    return "dv" if fits else None


def gxf(head: bytes) -> str | None:
    """The header of a map packet (SMPTE 360M)."""
    return "gxf" if head[10:16] == b"\0\0\0\0\xe1\xe2" else None


def aiff(head: bytes) -> str | None:
    return "aiff" if head[8:12] in {b"AIFF", b"AIFC"} else None


def monkey(head: bytes) -> str | None:
    version = int.from_bytes(head[4:6], "little")
    return "ape" if 3800 <= version <= 3999 else None


def gif(head: bytes) -> str | None:
    """GIF with more than one picture, as far as the beginning shows."""
    if len(head) < 13:
        return None
    at = 13 + _colours(head[10])
    pictures = 0
    promised = False
    while at < len(head):
        if head[at] == 0x21:
            promised |= head[at + 3 : at + 14] == b"NETSCAPE2.0"
            # Of a graphic control extension: how long its picture is shown.
            promised |= head[at + 1 : at + 3] == b"\xf9\x04" and head[at + 4 : at + 6] != b"\0\0"
            at = _after_blocks(head, at + 2)
        elif head[at] == 0x2C and at + 10 <= len(head):
            pictures += 1
            if pictures > 1:
                return "gif"
            at = _after_blocks(head, at + 11 + _colours(head[at + 9]))
        else:
            return None
    return "gif" if promised and pictures else None


def _colours(packed: int) -> int:
    """The bytes of a colour table."""
    return 3 << ((packed & 7) + 1) if packed & 0x80 else 0


def _after_blocks(head: bytes, at: int) -> int:
    while at < len(head) and head[at]:
        at += head[at] + 1
    return at + 1


def apng(head: bytes) -> str | None:
    """PNG whose ``acTL`` chunk, which precedes the picture, says more than one frame."""
    at = 8
    while at + 12 <= len(head):
        size, kind = int.from_bytes(head[at : at + 4], "big"), head[at + 4 : at + 8]
        if kind == b"acTL":
            return "apng" if int.from_bytes(head[at + 8 : at + 12], "big") > 1 else None
        if kind == b"IDAT":
            return None
        at += size + 12
    return None


def id3_sound(head: bytes) -> str | None:
    """What follows an ID3v2 tag; MP3 where its end is not in sight, because of a large cover."""
    if head[:3] != b"ID3" or len(head) < 10 or head[3] == 0xFF or max(head[6:10]) > 0x7F:
        return None
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte
    rest = head[10 + size + (10 if head[5] & _ID3_FOOTER else 0) :]
    if rest[:4] == b"fLaC":
        return "flac"
    if rest[:3] == b"ID3" and size:
        return id3_sound(rest)
    return (packet_patterns.sound(rest.lstrip(b"\0")) or "mp3") if rest else "mp3"
