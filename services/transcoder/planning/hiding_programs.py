"""Hides tracks of transport streams (ISO/IEC 13818-1), whose tables come again and again. Pure."""

from collections.abc import Iterator
from typing import Final

import msgspec

from services.transcoder.planning.hidden import Hidden

# Bytes of a packet, and how many packets in a row make a transport stream.
_SIZES: Final = (188, 192, 204)
_PACKET: Final = 188
_ENOUGH: Final = 5
_PROGRAM: Final = 2
_CRC: Final = 0x04C11DB7
# A stream type, and the tag of a descriptor, that mean nothing.
_NO_TYPE: Final = 0x7F
_NO_TAG: Final = 0xFF
_CODECS: Final = {
    0x01: ("video", "mpeg1video"),
    0x02: ("video", "mpeg2video"),
    0x03: ("audio", "mp2"),
    0x04: ("audio", "mp2"),
    0x0F: ("audio", "aac"),
    0x10: ("video", "mpeg4"),
    0x11: ("audio", "aac_latm"),
    0x1B: ("video", "h264"),
    0x24: ("video", "hevc"),
    0x33: ("video", "vvc"),
    0x81: ("audio", "ac3"),
    0x87: ("audio", "eac3"),
}


class _Track(msgspec.Struct, frozen=True):
    """A track in a program's table: where its entry begins there, and ends."""

    section: bytes
    begin: int
    end: int

    @property
    def pid(self) -> bytes:
        return bytes((self.section[self.begin + 1] & 0x1F, self.section[self.begin + 2]))


def hidden_in_programs(head: bytes, number: int) -> Hidden | None:
    """Hide track ``number`` of a transport stream that begins with ``head``."""
    tracks: dict[bytes, _Track] = {}
    for section in dict.fromkeys(_sections(head)):
        for track in _tracks(section):
            tracks.setdefault(track.pid, track)
    if number >= len(tracks):
        return None
    track = list(tracks.values())[number]
    changed = bytearray(track.section)
    changed[track.begin] = _NO_TYPE
    at = track.begin + 5
    while at + 2 <= track.end:
        changed[at] = _NO_TAG
        at += 2 + changed[at + 1]
    changed[-4:] = _checksum(changed[:-4]).to_bytes(4)
    return Hidden(number, 0, bytes(changed), *_codec(track), again=track.section)


def _codec(track: _Track) -> tuple[str, str]:
    entry = track.section[track.begin : track.end]
    private = ("audio", "opus" if b"Opus" in entry else "unknown")
    return _CODECS.get(entry[0], private)


def _sections(head: bytes) -> Iterator[bytes]:
    """The tables of programs that lie in one packet each."""
    for at in _packets(head):
        packet = head[at : at + _PACKET]
        begin = 5 + packet[4] if packet[3] & 0x20 else 4
        if not packet[1] & 0x40 or not packet[3] & 0x10 or begin >= _PACKET:
            continue
        begin += 1 + packet[begin]
        end = begin + 3 + (int.from_bytes(packet[begin + 1 : begin + 3]) & 0xFFF)
        if packet[begin : begin + 1] == bytes((_PROGRAM,)) and begin + 16 <= end <= _PACKET:
            # ffmpeg believes a table of a wrong checksum, too, if there is no other.
            yield packet[begin:end]


def _packets(head: bytes) -> Iterator[int]:
    """Where the packets of a transport stream begin; none of other files."""
    for size in _SIZES:
        for first in range(size):
            if all(head[first + n * size : first + n * size + 1] == b"G" for n in range(_ENOUGH)):
                yield from range(first, len(head) - _PACKET, size)
                return


def _tracks(section: bytes) -> Iterator[_Track]:
    at = 12 + (int.from_bytes(section[10:12]) & 0xFFF)
    while at + 5 <= len(section) - 4:
        end = at + 5 + (int.from_bytes(section[at + 3 : at + 5]) & 0xFFF)
        if end > len(section) - 4:
            return
        yield _Track(section, at, end)
        at = end


def _checksum(data: bytes | bytearray) -> int:
    """The checksum of a table (annex A)."""
    found = 0xFFFFFFFF
    for byte in data:
        found ^= byte << 24
        for _ in range(8):
            found = (found << 1 ^ (_CRC if found >> 31 else 0)) & 0xFFFFFFFF
    return found
