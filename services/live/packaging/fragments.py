"""Reads what ffmpeg writes: an init segment, then fragments of one track as they are made."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from shared.mp4.boxes import MalformedMp4
from shared.mp4.fragment_reader import read_fragments, read_track

# A fragment of a third of a second has less, at any rate that is accepted.
_MAX_BOX_BYTES: Final = 16 << 20


class Init(msgspec.Struct, frozen=True):
    """An init segment. ``width`` and ``height`` are 0 for sound."""

    data: bytes
    timescale: int
    codecs: str
    width: int = 0
    height: int = 0

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


class Part(msgspec.Struct, frozen=True):
    """A fragment: ``start`` and ``duration`` in ticks of the track. ``key``: a player can begin
    here; ``key_bytes``: how many of its bytes hold that picture."""

    data: bytes
    start: int
    duration: int
    key: bool
    key_bytes: int = 0


async def read_track_output(pipe: asyncio.StreamReader) -> AsyncIterator[Init | Part]:
    """The init segment and the parts, until ffmpeg ends. Raises MalformedMp4."""
    head = b""
    moof = b""
    while True:
        try:
            kind, box = await _box(pipe)
        except asyncio.IncompleteReadError:
            return
        if kind == b"ftyp":
            head = box
        elif kind == b"moov":
            yield read_init(head + box)
        elif kind == b"moof":
            moof = box
        elif kind == b"mdat" and moof:
            data = moof + box
            (found,) = read_fragments(data)
            moof = b""
            if found.samples:
                yield Part(data, found.start, found.duration, found.keyframe, found.key_bytes)


def read_init(data: bytes) -> Init:
    """An init segment from its bytes. Raises MalformedMp4."""
    track = read_track(data)
    width, height = _size(data)
    return Init(data, track.timescale, track.codecs, width, height)


async def _box(pipe: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await pipe.readexactly(8)
    size = int.from_bytes(head[:4], "big")
    if not 8 <= size <= _MAX_BOX_BYTES:
        raise MalformedMp4(f"a box of {size} bytes")
    return head[4:], head + await pipe.readexactly(size - 8)


def _size(moov: bytes) -> tuple[int, int]:
    """Width and height of the first sample entry; 0 for sound (ISO/IEC 14496-12, 12.1.3)."""
    at = moov.find(b"avc1")
    if at < 0:
        return 0, 0
    width, height = moov[at + 28 : at + 30], moov[at + 30 : at + 32]
    return int.from_bytes(width, "big"), int.from_bytes(height, "big")
