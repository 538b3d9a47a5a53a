"""Sample entries (ISO/IEC 14496-12, 12.1.3 and 12.2.3): boxes and codec strings. Pure."""

import struct
from typing import Final

from shared.mp4.boxes import Box, MalformedMp4, boxes, find, parsing

# Bytes of a sample entry between its header and its child boxes.
VISUAL_FIELDS_BYTES: Final = 78
AUDIO_FIELDS_BYTES: Final = 28
_HEADER_BYTES: Final = 8
_CHILDREN: Final = _HEADER_BYTES + VISUAL_FIELDS_BYTES


def visual_fields(entry: bytes) -> bytearray:
    """The fields of a visual sample entry, without its header and child boxes."""
    return bytearray(entry[_HEADER_BYTES:_CHILDREN])


def config(entry: bytes) -> Box:
    """The avcC box in a visual sample entry. Raises MalformedMp4."""
    return find(entry, ("avcC",), _CHILDREN, len(entry))


def entry_children(entry: bytes) -> list[Box]:
    """The child boxes of a visual sample entry."""
    return list(boxes(entry, _CHILDREN, len(entry)))


def hide_settings(entry: bytes) -> bytes:
    """A sound's sample entry of the same length without the settings of its decoder."""
    for kind in (b"esds", b"alac", b"dOps", b"dfLa"):
        entry = entry[:_HEADER_BYTES] + entry[_HEADER_BYTES:].replace(kind, b"free")
    return entry


@parsing()
def codec_string(init: bytes, entry: Box) -> str:
    """The RFC 6381 string of a sample entry. Raises MalformedMp4.

    AVC and AAC: RFC 6381, 3.3. HEVC: ISO/IEC 14496-15, E.3. AV1: its ISO media binding, 5.
    """
    if entry.kind in ("avc1", "avc3"):
        box = find(init, ("avcC",), entry.body + VISUAL_FIELDS_BYTES, entry.end)
        profile, constraints, level = init[box.body + 1 : box.body + 4]
        return f"{entry.kind}.{profile:02X}{constraints:02X}{level:02X}"
    if entry.kind == "mp4a":
        box = find(init, ("esds",), entry.body + AUDIO_FIELDS_BYTES, entry.end)
        return f"mp4a.40.{_audio_object_type(init[box.body + 4 : box.end])}"
    if entry.kind == "hvc1":
        box = find(init, ("hvcC",), entry.body + VISUAL_FIELDS_BYTES, entry.end)
        return f"hvc1.{_hevc_profile(init[box.body : box.end])}"
    if entry.kind == "av01":
        begin = entry.body + VISUAL_FIELDS_BYTES
        box = find(init, ("av1C",), begin, entry.end)
        colours = [b for b in boxes(init, begin, entry.end) if b.kind == "colr"]
        said = init[colours[0].body : colours[0].end] if colours else b""
        return f"av01.{_av1_profile(init[box.body : box.end])}{_av1_colours(said)}"
    raise MalformedMp4(f"no codec string is known for {entry.kind}")


def _hevc_profile(config: bytes) -> str:
    """Profile, compatibility flags, tier and level, and the constraint bytes up to the last set."""
    space = ("", "A", "B", "C")[config[1] >> 6]
    tier = "H" if config[1] & 0x20 else "L"
    flags = int(f"{int.from_bytes(config[2:6], 'big'):032b}"[::-1], 2)
    constraints = config[6:12].rstrip(b"\0")
    parts = [f"{space}{config[1] & 0x1F}", f"{flags:X}", f"{tier}{config[12]}"]
    return ".".join([*parts, *(f"{byte:X}" for byte in constraints)])


def _av1_profile(config: bytes) -> str:
    """Profile, level and tier, bits per sample."""
    profile, level = config[1] >> 5, config[1] & 0x1F
    tier = "H" if config[2] & 0x80 else "M"
    depth = (12 if config[2] & 0x20 else 10) if config[2] & 0x40 else 8
    return f"{profile}.{level:02d}{tier}.{depth:02d}"


def _av1_colours(colr: bytes) -> str:
    """Layout, primaries, transfer, matrix and range, where they are not those of BT.709.

    ``colr``: the body of the sample entry's box, empty where there is none.
    """
    if colr[:4] != b"nclx":
        return ""
    primaries, transfer, matrix, extent = struct.unpack(">HHHB", colr[4:11])
    if (primaries, transfer, matrix, extent >> 7) == (1, 1, 1, 0):
        return ""
    # 4:2:0, its colours stored left of every second row.
    return f".0.110.{primaries:02d}.{transfer:02d}.{matrix:02d}.{extent >> 7}"


def _audio_object_type(descriptors: bytes) -> int:
    """The object type in AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1), descriptor tag 5."""
    at = 0
    while at < len(descriptors):
        tag = descriptors[at]
        at += 1
        length = 0
        # A length has up to four bytes (ISO/IEC 14496-1, 8.3.3).
        for _ in range(4):
            byte = descriptors[at]
            at += 1
            length = length << 7 | byte & 0x7F
            if not byte & 0x80:
                break
        if tag == 0x05:
            kind = descriptors[at] >> 3
            if kind == 31:
                kind = 32 + ((descriptors[at] & 0x7) << 3 | descriptors[at + 1] >> 5)
            return kind
        # ES_Descriptor and DecoderConfigDescriptor contain descriptors after fixed fields.
        at += {0x03: 3, 0x04: 13}.get(tag, length)
    raise MalformedMp4("no AudioSpecificConfig")
