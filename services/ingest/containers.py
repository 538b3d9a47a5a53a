"""The container of a file, recognised by its first bytes. Pure.

Only video containers are recognised: no playlists, text, images, sound or archives, whatever the
file's name. A playlist renamed to ``.mp4`` could make a transcoder fetch other addresses.
"""

from collections.abc import Callable
from typing import Final

import msgspec

HEAD_BYTES: Final = 4096
"""The length of a file's beginning that is enough to recognise it."""


class Container(msgspec.Struct, frozen=True):
    """A container, and the content type of its stored sources."""

    name: str
    content_type: str


MP4: Final = Container("mp4", "video/mp4")
M4V: Final = Container("m4v", "video/x-m4v")
MOV: Final = Container("mov", "video/quicktime")
THREE_GP: Final = Container("3gp", "video/3gpp")
MKV: Final = Container("mkv", "video/x-matroska")
WEBM: Final = Container("webm", "video/webm")
AVI: Final = Container("avi", "video/x-msvideo")
FLV: Final = Container("flv", "video/x-flv")
WMV: Final = Container("wmv", "video/x-ms-wmv")
MPEG: Final = Container("mpeg", "video/mpeg")
TS: Final = Container("ts", "video/mp2t")
OGV: Final = Container("ogv", "video/ogg")

# ISO base media brands (mp4ra.org) that are pictures, sound or raw photographs.
_SOUND_BRANDS: Final = frozenset({b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B ", b"aax ", b"aaxc"})
_NOT_VIDEO_BRANDS: Final = _SOUND_BRANDS | frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"avif"}
    | {b"avis", b"avci", b"avcs", b"jpeg", b"jpgs", b"j2ki", b"j2is", b"jp2 ", b"jpx ", b"jpm "}
    | {b"crx "}
)
# QuickTime files from before ``ftyp`` begin with one of these atoms.
_OLD_QUICKTIME: Final = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_OGG_VIDEO: Final = (b"\x80theora", b"BBCD\0", b"OVP80", b"\x01video\0\0\0")


def recognise(head: bytes) -> Container | None:
    """The container of a file that begins with ``head``, or None. Never raises.

    ``head`` should be the first HEAD_BYTES, or the whole file where it is shorter.
    """
    for offset, magic, examine in _MAGIC:
        if head.startswith(magic, offset):
            return examine(head)
    return _transport_stream(head)


def looks_like(head: bytes) -> str:
    """The probable kind of a refused file, in words for its owner."""
    kind = next((kind for kind, magics in _REFUSED if head.startswith(magics)), None)
    if kind is not None:
        return kind
    if head[4:8] == b"ftyp":
        return "a sound file" if head[8:12] in _SOUND_BRANDS else "an image"
    if head[8:12] in {b"WAVE", b"WEBP"}:
        return "a sound file" if head[8:12] == b"WAVE" else "an image"
    if head[257:262] == b"ustar":
        return "an archive"
    if all(byte >= 32 or byte in b"\t\n\r\f" for byte in head[:512]):
        return "text" if head else "an empty file"
    return "another kind of file"


_REFUSED: Final[tuple[tuple[str, tuple[bytes, ...]], ...]] = (
    ("a playlist", (b"#EXTM3U", b"\xef\xbb\xbf#EXTM3U", b"ffconcat", b"[playlist]", b"<MPD")),
    ("an image", (b"\xff\xd8\xff", b"\x89PNG", b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*")),
    ("an archive", (b"PK", b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"BZh", b"\xfd7zXZ")),
    ("a sound file", (b"ID3", b"fLaC", b"\xff\xfb", b"\xff\xf1", b"OggS")),
    ("a document", (b"%PDF", b"\xd0\xcf\x11\xe0")),
    ("a program", (b"\x7fELF", b"MZ", b"#!")),
)


def _iso_media(head: bytes) -> Container | None:
    size = int.from_bytes(head[:4], "big")
    brand = head[8:12]
    if len(head) < 12 or size < 12 or brand in _NOT_VIDEO_BRANDS:
        return None
    if brand == b"qt  ":
        return MOV
    if brand[:3] == b"M4V":
        return M4V
    if brand[:2] == b"3g":
        return THREE_GP
    return MP4


def _old_quicktime(head: bytes) -> Container | None:
    size, kind = int.from_bytes(head[:4], "big"), head[4:8]
    if size == 1:
        size = int.from_bytes(head[8:16], "big")
    if size == 0:
        return MOV if kind == b"mdat" else None
    if size < 8:
        return None
    following = head[size + 4 : size + 8]
    return MOV if not following or following in _OLD_QUICKTIME else None


def _ebml(head: bytes) -> Container | None:
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
            return {b"matroska": MKV, b"webm": WEBM}.get(doctype)
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


def _program_stream(head: bytes) -> Container | None:
    """MPEG-1 (ISO 11172-1) or MPEG-2 (ISO 13818-1) pack header, by its marker bits."""
    if len(head) < 12:
        return None
    mpeg2 = head[4] & 0xC4 == 0x44 and head[6] & 0x04 and head[8] & 0x04
    mpeg1 = head[4] & 0xF1 == 0x21 and head[6] & 0x01 and head[8] & 0x01
    return MPEG if mpeg1 or mpeg2 else None


def _transport_stream(head: bytes) -> Container | None:
    """Sync bytes at the distance of packets: 188, 204 with error correction, 192 on disc."""
    for first, packet in ((0, 188), (4, 192), (0, 204)):
        places = range(first, min(len(head) - 3, first + 8 * packet), packet)
        if len(places) >= 3 and all(_is_ts_header(head[at : at + 4]) for at in places):
            return TS
    return None


def _is_ts_header(header: bytes) -> bool:
    # The sync byte is also the letter G: so no error flag, no scrambling, some payload or field.
    sync, flags, control = header[0], header[1], header[3]
    return sync == 0x47 and not flags & 0x80 and not control & 0xC0 and bool(control & 0x30)


def _ogg(head: bytes) -> Container | None:
    """Video if one of the streams is; their first pages come first (RFC 3533)."""
    at = 0
    while head[at : at + 4] == b"OggS" and len(head) >= at + 27 and head[at + 5] & 0x02:
        segments = head[at + 26]
        body = at + 27 + segments
        if head[body : body + 9].startswith(_OGG_VIDEO):
            return OGV
        at = body + sum(head[at + 27 : body])
    return None


def _avi(head: bytes) -> Container | None:
    return AVI if head[8:12] in {b"AVI ", b"AVIX"} else None


def _flv(head: bytes) -> Container | None:
    """Version 1; reserved flag bits are zero; the header is 9 bytes long."""
    return FLV if len(head) >= 9 and not head[4] & 0xFA and head[5:9] == b"\0\0\0\x09" else None


_MAGIC: Final[tuple[tuple[int, bytes, Callable[[bytes], Container | None]], ...]] = (
    (4, b"ftyp", _iso_media),
    *((4, atom, _old_quicktime) for atom in sorted(_OLD_QUICKTIME)),
    (0, b"\x1a\x45\xdf\xa3", _ebml),
    (0, b"RIFF", _avi),
    (0, b"FLV\x01", _flv),
    (0, bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), lambda _head: WMV),
    (0, b"\0\0\x01\xba", _program_stream),
    (0, b"OggS", _ogg),
)
