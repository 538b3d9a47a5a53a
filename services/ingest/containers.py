"""The container of a file, recognised by its first bytes. Pure.

Only the containers of ``shared.containers`` are recognised: no playlists, text, single pictures or
archives, whatever the file's name. A playlist renamed to ``.mp4`` could make a transcoder fetch
other addresses.
"""

import codecs
from collections.abc import Callable
from typing import Final

from services.ingest import file_headers, packet_patterns
from shared.containers import BY_NAME, Container

HEAD_BYTES: Final = 64 << 10
"""The length of a file's beginning that is enough to recognise it, unless junk is before it."""
MOST_BYTES: Final = 1 << 20
"""The length in which ffmpeg looks for packets of a stream that begins with junk."""

# So many bytes tell text, documents and the like; whether a picture moves is seen later.
_EARLY_BYTES: Final = 4096
_LATER: Final = (b"GIF8", b"\x89PNG")
_TEXT_BYTES: Final = 512


def recognise(head: bytes) -> Container | None:
    """The container of a file that begins with ``head``, or None. Never raises.

    ``head`` should be the first MOST_BYTES, or the whole file where it is shorter; HEAD_BYTES are
    enough for what ``may_follow`` does not say of.
    """
    name = _by_magic(head)
    if name is None and may_follow(head):
        name = packet_patterns.recognise(head[:HEAD_BYTES])
        if name is None:
            name = packet_patterns.transport_stream_after(head, HEAD_BYTES)
    return None if name is None else BY_NAME[name]


def may_follow(head: bytes) -> bool:
    """Whether packets may still follow a beginning that is not recognised."""
    return _refused(head) is None and not _is_text(head)


def is_hopeless(head: bytes) -> bool:
    """Whether ``head`` is already certain to be refused, with more bytes to come."""
    if len(head) < _EARLY_BYTES or head.startswith(_LATER) or _by_magic(head) is not None:
        return False
    return _refused(head) is not None or _is_text(head)


def looks_like(head: bytes) -> str:
    """The probable kind of a refused file, in words for its owner."""
    kind = _refused(head)
    if kind is not None:
        return kind
    if head[4:8] == b"ftyp":
        return "a protected audio book" if head[8:12] in file_headers.PROTECTED else "an image"
    if head[8:12] == b"WEBP":
        return "an image"
    if head[257:262] == b"ustar":
        return "an archive"
    if _is_text(head):
        return "text" if head else "an empty file"
    return "another kind of file"


_REFUSED: Final[tuple[tuple[str, tuple[bytes, ...]], ...]] = (
    ("a playlist", (b"#EXTM3U", b"\xef\xbb\xbf#EXTM3U", b"ffconcat", b"[playlist]", b"<MPD")),
    ("an image", (b"\xff\xd8\xff", b"\x89PNG", b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*")),
    ("an archive", (b"PK", b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"BZh", b"\xfd7zXZ")),
    ("a document", (b"%PDF", b"\xd0\xcf\x11\xe0")),
    ("a program", (b"\x7fELF", b"MZ", b"#!")),
)


def _refused(head: bytes) -> str | None:
    return next((kind for kind, magics in _REFUSED if head.startswith(magics)), None)


def _is_text(head: bytes) -> bool:
    start = head[:_TEXT_BYTES]
    try:
        # A character may be cut at the end.
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return all(byte >= 32 or byte in b"\t\n\r\f" for byte in start)


def _by_magic(head: bytes) -> str | None:
    for offset, magic, found in _MAGIC:
        if head.startswith(magic, offset):
            return found if isinstance(found, str) else found(head)
    return file_headers.iso_media(head) or file_headers.id3_sound(head)


_MAGIC: Final[tuple[tuple[int, bytes, str | Callable[[bytes], str | None]], ...]] = (
    (0, b"\x1a\x45\xdf\xa3", file_headers.ebml),
    (0, b"RIFF", file_headers.riff),
    (0, b"RF64", file_headers.riff),
    (0, b"BW64", file_headers.riff),
    (0, b"FLV", file_headers.flv),
    (0, bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), "wmv"),
    (0, b"OggS\0", file_headers.ogg),
    (0, b"GIF87a", file_headers.gif),
    (0, b"GIF89a", file_headers.gif),
    (0, b"\x89PNG\r\n\x1a\n", file_headers.apng),
    (0, b"\x1f\x07\x00", file_headers.dv),
    (0, b"\0\0\0\0\x01\xbc", file_headers.gxf),
    (0, b".RMF", "rm"),
    (0, b".ra\xfd", "rm"),
    (0, bytes.fromhex("b7d800203749da11a64e0007e95ead8d"), "wtv"),
    (0, b"DHAV", "dav"),
    (0, b"nut/multimedia container\0", "nut"),
    (0, b"DKIF\0\0", "ivf"),
    (0, b"YUV4MPEG2 ", "y4m"),
    (0, b"fLaC", "flac"),
    (0, bytes.fromhex("726966662e91cf11a5d628db04c10000"), "w64"),
    (0, b"FORM", file_headers.aiff),
    (0, b"caff\0\x01", "caf"),
    (0, b".snd\0\0", "au"),
    (0, b"#!AMR\n", "amr"),
    (0, b"#!AMR-WB\n", "amr"),
    (0, b"\x7f\xfe\x80\x01", "dts"),
    (0, b"\xfe\x7f\x01\x80", "dts"),
    (0, b"\x1f\xff\xe8\x00", "dts"),
    (0, b"\xff\x1f\x00\xe8", "dts"),
    (0, b"MAC ", file_headers.monkey),
    (0, b"wvpk", "wv"),
)
