"""Puts consecutive segments into one object. Pure.

A ``free`` box lies before each segment, in no segment's byte range. Where byte ranges of a playlist
follow each other without a gap, players built on ffmpeg 8.1 and later ask for several of them at
once; after a change of the object they ask for the first one only, and leave out the second.
"""

import struct
from collections.abc import Iterable
from typing import Final

import msgspec

from shared.contracts import Segment

GAP: Final = struct.pack(">I4s", 8, b"free")


def pack_segments(made: Iterable[tuple[Segment, bytes]]) -> tuple[bytes, tuple[Segment, ...]]:
    """The object of segments and their bytes, and the segments with their offsets in it."""
    body = bytearray()
    placed: list[Segment] = []
    for segment, data in made:
        body += GAP
        placed.append(msgspec.structs.replace(segment, offset=len(body)))
        body += data
    return bytes(body), tuple(placed)
