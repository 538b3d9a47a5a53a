"""What sequence headers say: size and form of the picture, form of the sound. Pure.

H.264: ISO/IEC 14496-10, 7.3.2.1.1. AAC: ISO/IEC 14496-3, 1.6.2.1.
"""

from typing import Final

import msgspec

_HIGH_PROFILES: Final = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128))
# Profiles whose pictures have 8 bits in 4:2:0 and which every player knows.
_PLAIN_PROFILES: Final = frozenset((66, 77, 100))
_SPS: Final = 7


class AvcSettings(msgspec.Struct, frozen=True):
    """``plain``: 8 bits, 4:2:0, no fields. ``frame_rate``: 0 where it is not stated."""

    width: int
    height: int
    plain: bool
    frame_rate: float = 0.0


def avc_settings(body: bytes) -> AvcSettings | None:
    """The picture of an AVC sequence header, with its tag's first 5 bytes; None if unreadable."""
    # AVCDecoderConfigurationRecord: version, profile, constraints, level, sizes, number of SPS.
    record = body[5:]
    if len(record) < 8 or not record[5] & 0x1F:
        return None
    size = int.from_bytes(record[6:8], "big")
    unit = record[8 : 8 + size]
    if len(unit) < 4 or unit[0] & 0x1F != _SPS:
        return None
    try:
        return _read_sps(_Bits(unit[1:]))
    except IndexError:
        return None


def is_plain_aac(config: bytes) -> bool:
    """Whether an AudioSpecificConfig says AAC-LC of 48 kHz in stereo, without extensions."""
    if len(config) < 2:
        return False
    value = int.from_bytes(config[:2], "big")
    # Object type 2, frequency index 3, 2 channels.
    return (value >> 11, value >> 7 & 0xF, value >> 3 & 0xF) == (2, 3, 2)


class _Bits:
    """Reads bits of a NAL unit without its emulation prevention bytes. Raises IndexError."""

    def __init__(self, unit: bytes) -> None:
        plain = unit.replace(b"\0\0\3", b"\0\0")
        self._value = int.from_bytes(plain, "big")
        self._left = 8 * len(plain)

    def take(self, count: int) -> int:
        if count > self._left:
            raise IndexError
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def ue(self) -> int:
        """An unsigned number in Exp-Golomb code."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:
                raise IndexError
        return (1 << zeros) - 1 + self.take(zeros)

    def se(self) -> int:
        """A signed one."""
        value = self.ue()
        return (value + 1) // 2 if value & 1 else -(value // 2)


def _read_sps(bits: _Bits) -> AvcSettings:
    profile = bits.take(8)
    bits.take(16)
    bits.ue()
    chroma, depth = 1, 0
    if profile in _HIGH_PROFILES:
        chroma = bits.ue()
        if chroma == 3:
            bits.take(1)
        depth = bits.ue() + bits.ue()
        bits.take(1)
        if bits.take(1):
            _skip_scaling(bits, 8 if chroma != 3 else 12)
    bits.ue()
    _skip_order_count(bits)
    bits.ue()
    bits.take(1)
    columns, rows = bits.ue() + 1, bits.ue() + 1
    whole = bits.take(1)
    if not whole:
        bits.take(1)
    bits.take(1)
    left = right = top = bottom = 0
    if bits.take(1):
        left, right, top, bottom = (bits.ue() for _ in range(4))
    across = 2 if chroma in (1, 2) else 1
    down = (2 if chroma == 1 else 1) * (2 - whole)
    return AvcSettings(
        width=16 * columns - across * (left + right),
        height=16 * rows * (2 - whole) - down * (top + bottom),
        plain=profile in _PLAIN_PROFILES and chroma == 1 and depth == 0 and whole == 1,
        frame_rate=_frame_rate(bits),
    )


def _skip_order_count(bits: _Bits) -> None:
    kind = bits.ue()
    if kind == 0:
        bits.ue()
    elif kind == 1:
        bits.take(1)
        bits.se()
        bits.se()
        for _ in range(min(bits.ue(), 255)):
            bits.se()


def _skip_scaling(bits: _Bits, lists: int) -> None:
    for number in range(lists):
        if not bits.take(1):
            continue
        last = following = 8
        for _ in range(16 if number < 6 else 64):
            if following:
                following = (last + bits.se()) % 256
            last = following or last


def _frame_rate(bits: _Bits) -> float:
    """From the VUI (annex E.1.1); 0 where it does not say."""
    try:
        if not bits.take(1):
            return 0.0
        if bits.take(1) and bits.take(8) == 255:
            bits.take(32)
        if bits.take(1):
            bits.take(1)
        if bits.take(1):
            bits.take(4)
            if bits.take(1):
                bits.take(24)
        if bits.take(1):
            bits.ue()
            bits.ue()
        if not bits.take(1):
            return 0.0
        tick, scale = bits.take(32), bits.take(32)
    except IndexError:
        return 0.0
    return min(scale / tick / 2, 1000.0) if tick else 0.0
