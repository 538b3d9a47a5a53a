"""Recognises streams of packets that have no header of their own. Pure.

Such a file may be cut from a longer one, and begin in the middle of a packet. So several packets
must follow each other at the distance that each of them states.
"""

import re
from collections.abc import Callable
from typing import Final

# Packets that must follow each other, and where the first one is at the very beginning.
_MANY: Final = 5
_FEW: Final = 3
# Bytes in which the first whole packet of sound must begin.
_SOUND_BYTES: Final = 16 << 10

_TS_PACKETS: Final = (188, 192, 204)
# A sync byte, no error flag, and some payload or field.
_TS_HEADER: Final = re.compile(rb"G[\x00-\x7f][\x00-\xff][\x10-\x3f\x50-\x7f\x90-\xbf\xd0-\xff]")
# So many headers at the distance of so many bytes.
_TS_RUNS: Final = {
    (packet, count): re.compile(
        _TS_HEADER.pattern + (rb"[\x00-\xff]{%d}" % (packet - 4) + _TS_HEADER.pattern) * (count - 1)
    )
    for packet in _TS_PACKETS
    for count in (_FEW, _MANY)
}


def recognise(head: bytes) -> str | None:
    """The name of the container, or None."""
    return (
        transport_stream(head)
        or program_stream(head)
        or _elementary_stream(head)
        or _mxf_after_run_in(head)
        or sound(head)
    )


def transport_stream(head: bytes) -> str | None:
    """Headers at the distance of packets: 188, 204 with error correction, 192 on disc.

    Other bytes may precede them, and some may be damaged or lost: half of the bytes from the first
    packets on must be packets that others follow.
    """
    for packet in _TS_PACKETS:
        first = _ts_begin(head, 0, packet)
        if first is not None and 2 * _ts_bytes(head, first, packet) >= len(head) - first:
            return "ts"
    return None


def transport_stream_after(head: bytes, window: int) -> str | None:
    """A transport stream that begins behind the first ``window`` bytes.

    Each step looks at as many bytes, because bytes that nearly fit take long.
    """
    step = window - _MANY * max(_TS_PACKETS)
    places = range(step, len(head), step)
    return next(
        (found for at in places if (found := transport_stream(head[at : at + window]))), None
    )


def _ts_bytes(head: bytes, first: int, packet: int) -> int:
    """The bytes of packets from ``first`` on; bytes between them may be damaged or lost."""
    found = 0
    at: int | None = first
    while at is not None and at < len(head) - 3:
        if _is_ts_header(head, at):
            found += packet
            at += packet
        elif _is_ts_header(head, at + packet):
            # Only the header is damaged.
            at += packet
        else:
            # Where bytes are lost, the next packet begins before its place.
            at = _ts_begin(head, at - packet + 1, packet)
    return found


def _ts_begin(head: bytes, start: int, packet: int) -> int | None:
    """Where several packets follow each other, from ``start`` on."""
    # Packets at the very beginning need not be many: the file may be short.
    few = _TS_RUNS[packet, _FEW].search(head, start, _FEW * packet + 3)
    found = few or _TS_RUNS[packet, _MANY].search(head, start)
    while found and _is_text(found[0][::packet] + found[0][1::packet] + found[0][3::packet]):
        found = _TS_RUNS[packet, _MANY].search(head, found.start() + 1)
    return found.start() if found else None


def _is_ts_header(head: bytes, at: int) -> bool:
    return _TS_HEADER.match(head, at) is not None


def _is_text(data: bytes) -> bool:
    """Whether all bytes are characters: the sync byte is also the letter G."""
    return all(32 <= byte < 127 or byte in b"\t\n\r" for byte in data)


def program_stream(head: bytes) -> str | None:
    """A pack header of MPEG-1 (ISO 11172-1) or MPEG-2 (ISO 13818-1), and a packet after it.

    At the very beginning the header's marker bits suffice. A file that begins with a packet of
    pictures or sound is one if a second packet follows it.
    """
    if _is_pack(head[:14]):
        return "mpeg"
    at = head.find(b"\0\0\x01\xba")
    while at >= 0:
        pack = head[at : at + 14]
        if _is_pack(pack) and _is_packet(head, at + _pack_length(pack)):
            return "mpeg"
        at = head.find(b"\0\0\x01\xba", at + 1)
    return "mpeg" if _is_packet(head, 0) and _is_packet(head, 6 + _packet_length(head)) else None


def _is_pack(header: bytes) -> bool:
    if len(header) < 12 or header[:4] != b"\0\0\x01\xba":
        return False
    mpeg2 = header[4] & 0xC4 == 0x44 and header[6] & 0x04 and header[8] & 0x04
    mpeg1 = header[4] & 0xF1 == 0x21 and header[6] & 0x01 and header[8] & 0x01
    return bool(mpeg1 or mpeg2)


def _pack_length(header: bytes) -> int:
    """The length of a pack header: MPEG-2's may end with stuffing."""
    return 12 if header[4] < 0x40 else 14 + (header[-1] & 7)


def _is_packet(head: bytes, at: int) -> bool:
    """Whether a system header, a pack, or a packet of pictures, sound or padding begins here."""
    start = head[at : at + 4]
    return len(start) == 4 and start[:3] == b"\0\0\x01" and 0xBA <= start[3] < 0xF0


def _packet_length(head: bytes) -> int:
    return int.from_bytes(head[4:6], "big")


def _elementary_stream(head: bytes) -> str | None:
    """Pictures without a container: H.264, HEVC (Annex B), MPEG-1, MPEG-2 and MPEG-4."""
    start = head.find(b"\0\0\x01", 0, 16)
    if start < 0 or any(head[:start]) or len(head) < start + 6:
        return None
    if head[start + 3] == 0xB3:
        return "m2v"
    kinds = _units(head)
    # A byte that must be one of few in a stream of the one kind is improbable in the other's.
    if all(not unit & 0x80 for unit in kinds) and {7, 8} <= {unit & 0x1F for unit in kinds}:
        return "h264"
    if {32, 33, 34} <= {unit >> 1 & 0x3F for unit in kinds}:
        return "hevc"
    # A visual object sequence, or a video object, and then the object's layer (ISO 14496-2).
    if (kinds[0] == 0xB0 or kinds[0] < 0x20) and any(0x20 <= kind < 0x30 for kind in kinds[:4]):
        return "m4e"
    return None


def _units(head: bytes) -> list[int]:
    """The first bytes of the first units after start codes."""
    found: list[int] = []
    at = head.find(b"\0\0\x01")
    while at >= 0 and at + 3 < len(head) and len(found) < 16:
        found.append(head[at + 3])
        at = head.find(b"\0\0\x01", at + 3)
    return found


def _mxf_after_run_in(head: bytes) -> str | None:
    """A header partition pack, which a run-in of up to 64 KiB may precede (SMPTE 377)."""
    return "mxf" if bytes.fromhex("060e2b34020501010d0102010102") in head else None


def sound(head: bytes) -> str | None:
    """MP3, AAC (ADTS), AC-3 or E-AC-3 by frames that follow each other."""
    for at in range(min(len(head), _SOUND_BYTES)):
        if head[at] not in b"\xff\x0b":
            continue
        for name, length in _FRAMES.items():
            if _follow(head, at, length):
                return name
    return None


def _follow(head: bytes, at: int, length: Callable[[bytes], int]) -> bool:
    """Whether frames follow each other from ``at`` on."""
    first, found = at, 0
    while at < len(head) and found < _MANY:
        size = length(head[at : at + 8])
        if not size:
            break
        at += size
        found += 1
    return found >= (_MANY if first else _FEW)


# ISO 11172-3, 2.4.2.3: kbit/s of MPEG-1 layers 1, 2 and 3, then of MPEG-2 layer 1, and 2 and 3.
_RATES: Final = (
    (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
_HERTZ: Final = (44_100, 48_000, 32_000)


def _mpeg_frame(header: bytes) -> int:
    """The length of a frame of MPEG sound; 0 where none begins."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    rate, hertz = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 4 or rate in (0, 15) or hertz == 3:
        return 0
    older = version == 3
    table = _RATES[layer - 1] if older else _RATES[3 if layer == 1 else 4]
    frequency = _HERTZ[hertz] >> (0 if older else 1 if version == 2 else 2)
    padding = header[2] >> 1 & 1
    if layer == 1:
        return 4 * (12_000 * table[rate] // frequency + padding)
    samples = 72_000 if layer == 3 and not older else 144_000
    return samples * table[rate] // frequency + padding


def _adts_frame(header: bytes) -> int:
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return 0
    if header[2] >> 2 & 0x0F > 12:
        return 0
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return length if length > 7 else 0


# ATSC A/52, table 5.18: kbit/s.
_AC3_RATES: Final = (
    *(32, 40, 48, 56, 64, 80, 96, 112, 128, 160),
    *(192, 224, 256, 320, 384, 448, 512, 576, 640),
)


def _ac3_frame(header: bytes) -> int:
    if len(header) < 6 or header[:2] != b"\x0b\x77" or header[5] >> 3 > 10:
        return 0
    hertz, size = header[4] >> 6, header[4] & 0x3F
    if hertz == 3 or size >= 2 * len(_AC3_RATES):
        return 0
    rate = _AC3_RATES[size >> 1]
    words = (2 * rate, 320 * rate // 147 + (size & 1), 3 * rate)
    return 2 * words[hertz]


def _eac3_frame(header: bytes) -> int:
    if len(header) < 6 or header[:2] != b"\x0b\x77" or not 11 <= header[5] >> 3 <= 16:
        return 0
    return 2 * (((header[2] & 7) << 8 | header[3]) + 1)


_FRAMES: Final[dict[str, Callable[[bytes], int]]] = {
    "mp3": _mpeg_frame,
    "aac": _adts_frame,
    "ac3": _ac3_frame,
    "eac3": _eac3_frame,
}
