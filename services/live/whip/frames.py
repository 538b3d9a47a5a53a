"""H.264 pictures and Opus packets of RTP as FLV tags. Pure."""

from typing import Final

import msgspec

_IDR, _SEI, _SLICE, _SPS, _PPS = 5, 6, 1, 7, 8
_KEPT: Final = frozenset({_SLICE, _IDR, _SEI})
_START: Final = b"\0\0\1"

# Enhanced RTMP v2: sound format 9, packet type, FourCC; then OpusHead (RFC 7845, 5.1) of two
# channels, with the usual 312 samples that a decoder skips.
OPUS_HEADER: Final = (
    b"\x90Opus"
    + b"OpusHead\1\2"
    + (312).to_bytes(2, "little")
    + (48_000).to_bytes(4, "little")
    + b"\0\0\0"
)


class Picture(msgspec.Struct, frozen=True):
    """One picture. ``header``: the tag body of its decoder's settings, where they came with it."""

    body: bytes
    key: bool
    header: bytes | None


def opus_packet(data: bytes) -> bytes:
    """The tag body of one packet."""
    return b"\x91Opus" + data


def picture(data: bytes) -> Picture | None:
    """A picture from Annex B (ITU-T H.264); None where it has no slices."""
    units = nal_units(data)
    kinds = [unit[0] & 31 for unit in units]
    slices = [unit for unit, kind in zip(units, kinds, strict=True) if kind in _KEPT]
    if not {_IDR, _SLICE} & set(kinds):
        return None
    key = _IDR in kinds
    header = None
    if key and _SPS in kinds and _PPS in kinds:
        header = _header(units[kinds.index(_SPS)], units[kinds.index(_PPS)])
    body = b"".join(len(unit).to_bytes(4, "big") + unit for unit in slices)
    return Picture((b"\x17" if key else b"\x27") + b"\1\0\0\0" + body, key, header)


def nal_units(data: bytes) -> list[bytes]:
    """The NAL units between start codes, without empty ones."""
    found: list[bytes] = []
    at = data.find(_START)
    while at >= 0:
        begin = at + len(_START)
        at = data.find(_START, begin)
        unit = data[begin : at if at >= 0 else len(data)].rstrip(b"\0")
        if unit:
            found.append(unit)
    return found


def _header(sps: bytes, pps: bytes) -> bytes:
    """The tag body with an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1)."""
    return b"".join(
        (
            b"\x17\0\0\0\0\1",
            sps[1:4],
            b"\xff\xe1",
            len(sps).to_bytes(2, "big"),
            sps,
            b"\1",
            len(pps).to_bytes(2, "big"),
            pps,
        )
    )
