"""Whether other recordings follow the one that ffmpeg plays of a file. Pure.

``cat`` joins files of any kind. Of some containers ffmpeg reads on into the next file, of others it
plays the first; then the uploader is told.
"""

import re
from typing import Final

import msgspec

from shared.contracts import SourceFacts, SourceNote

# The first bytes, which ``own_end`` is told.
HEAD_BYTES: Final = 128
# A page is at most so long (RFC 3533), and two more may follow the last packet.
PAGES_BYTES: Final = 3 << 16
# How files of these containers begin, of which ffmpeg does not read on into a further one, or not
# into each.
_BEGINNINGS: Final = {
    "aiff": re.compile(rb"FORM.{4}AIF[FC]", re.DOTALL),
    "apng": re.compile(rb"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"),
    "asf": re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c"),
    "caf": re.compile(rb"caff\0\x01\0\0desc"),
    "flv": re.compile(rb"FLV\x01[\0\x01\x04\x05]\0\0\0\x09"),
    "gxf": re.compile(rb"\0\0\0\0\x01\xbc.{4}\0\0\0\0\xe1\xe2", re.DOTALL),
    "ivf": re.compile(rb"DKIF\0\0\x20\0"),
    "matroska": re.compile(rb"\x1a\x45\xdf\xa3.{1,60}(?:webm|matroska)", re.DOTALL),
    "mov": re.compile(rb"\0\0\0.ftyp[0-9A-Za-z]{3}[0-9A-Za-z ]", re.DOTALL),
    # The key of a header, which a file has at its beginning alone (SMPTE ST 377-1).
    "mxf": re.compile(rb"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02[\x01-\x04]\0"),
    "nut": re.compile(rb"nut/multimedia container\0"),
    "rm": re.compile(rb"\.RMF\0\0\0[\x10-\x20]"),
    "w64": re.compile(rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0"),
    "wav": re.compile(rb"RIFF.{4}WAVEfmt ", re.DOTALL),
    "wtv": re.compile(rb"\xb7\xd8\x00\x20\x37\x49\xda\x11\xa6\x4e\x00\x07\xe9\x5e\xad\x8d"),
    # A block whose first sample is the recording's first one.
    "wv": re.compile(rb"wvpk.{4}[\x02-\x10]\x04.{6}\0{4}", re.DOTALL),
    "yuv4mpegpipe": re.compile(rb"YUV4MPEG2 "),
}
# Containers of recordings that may follow each other, of which ffmpeg plays some.
MAY_FOLLOW: Final = frozenset((*_BEGINNINGS, "ogg"))
# Containers whose second file ffmpeg reads, without knowing its times.
MISREAD: Final = frozenset(("mxf",))
# Where an MXF file says where its last part begins: behind the key, a length of 1 to 9 bytes, four
# numbers and two places.
_MXF_LENGTH: Final = 16
_MXF_FOOTER: Final = 24
# Where Windows recorded TV says how many blocks it has, and their size.
_WTV_BLOCKS: Final = 0x5C
_WTV_BLOCK_BYTES: Final = 4096
_FIRST: Final = "one after the other, of which the first is kept"
# How much is looked at from the last packet on: itself, and the index of a Matroska file.
REST_BYTES: Final = 4 << 20


def another_follows(pages: bytes) -> bool:
    """Whether another recording begins after the first of ``pages`` of Ogg.

    ffmpeg reads on where it is of the same kind, and else stops before it.
    """
    at = 0
    while pages[at : at + 4] == b"OggS" and len(pages) >= at + 27:
        if at and pages[at + 5] & 0x02:
            return True
        segments = at + 27 + pages[at + 26]
        at = segments + sum(pages[at + 27 : segments])
    return False


def where_follows(container: str, end: bytes, place: int) -> int | None:
    """Where another file of the kind begins in ``end``, the bytes from ``place`` on; None where
    none does.

    ffmpeg reads on into a second Matroska file, and no further; into one of Flash by chance only;
    into all of NUT, RealMedia and GXF; into none of the others.
    """
    beginning = _BEGINNINGS.get(container)
    # The file itself begins at 0.
    found = beginning.search(end, 0 if place else 1) if beginning else None
    return None if found is None else place + found.start()


def own_end(container: str, place: int, head: bytes) -> int:
    """From where on a further file is looked for: ``place``, where the last packet lies, or what
    ``head``, the file's first bytes, says.

    The places of packets of Windows recorded TV are not those in the file. Of MXF, the last packet
    may be that of a further file.
    """
    if container == "wtv":
        blocks = int.from_bytes(head[_WTV_BLOCKS : _WTV_BLOCKS + 4], "little")
        return max(place, blocks * _WTV_BLOCK_BYTES)
    if container == "mxf" and len(head) == HEAD_BYTES:
        length = head[_MXF_LENGTH]
        at = _MXF_LENGTH + 1 + (length & 0x7F if length & 0x80 else 0) + _MXF_FOOTER
        return int.from_bytes(head[at : at + 8], "big") or place
    return place


def with_rest(facts: SourceFacts) -> SourceFacts:
    """The facts of a source that goes on with recordings which are not played."""
    kept = {
        "matroska": "one after the other, of which no more than two can be read",
        "flv": "one after the other, of which not all can be read",
        "ogg": f"of different kinds, {_FIRST}",
        "flac": f"of different kinds, {_FIRST}",
    }.get(facts.container, _FIRST)
    note = SourceNote(
        code="rest_left_out",
        text=f"The file holds several recordings {kept}. Save the others as files of their own, and"
        " upload them too.",
    )
    return msgspec.structs.replace(facts, notes=(*facts.notes, note))
