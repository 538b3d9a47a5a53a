"""Small files that state large things."""

import struct
from pathlib import Path

from tests.security.media.hostile_media import DAY, with_gap, with_jump
from tests.security.media.made_moov import Tables, moov

_TRACKS = 32
_SAMPLES = 1 << 24


def with_day_long_gap(target: Path) -> Path:
    """A film of 60 frames, half of which come a day later."""
    return with_gap(target, DAY)


def with_hour_long_jump(target: Path) -> Path:
    """A transport stream of eight seconds whose clock jumps."""
    return with_jump(target, 3600)


def with_large_index(target: Path) -> Path:
    """An index of many samples of one size, for each of many tracks."""
    head = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41"
    track = Tables(stsz=struct.pack(">II", 1, _SAMPLES), stts=struct.pack(">III", 1, _SAMPLES, 24))
    target.write_bytes(head + moov(*[track] * _TRACKS))
    return target
