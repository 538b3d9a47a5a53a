"""Reads each sample of fragmented MP4 with one track (ISO/IEC 14496-12, 8.8). Pure."""

import struct
from collections.abc import Iterator
from typing import Final

import msgspec

from shared.mp4.boxes import Box, MalformedMp4, boxes, find, parsing

_NOT_SYNC: Final = 0x10000
# The optional fields of a track fragment's header, in order: flag and bytes.
_HEADER: Final = ((0x1, 8), (0x2, 4), (0x8, 4), (0x10, 4), (0x20, 4))
# Those of a run's samples.
_DURATION, _SIZE, _FLAGS, _OFFSET = 0x100, 0x200, 0x400, 0x800
_DATA_AT, _FIRST_FLAGS = 0x1, 0x4


class Sample(msgspec.Struct, frozen=True):
    """``offset``: from the decode to the composition time, in ticks. ``size`` in bytes."""

    duration: int
    size: int
    key: bool
    offset: int


class Run(msgspec.Struct, frozen=True):
    """Samples that lie one after the other from byte ``place`` on, decoded from ``start`` on."""

    place: int
    start: int
    samples: list[Sample]


class _Defaults(msgspec.Struct):
    duration: int = 0
    size: int = 0
    flags: int = 0


@parsing()
def read_runs(data: bytes) -> list[Run]:
    """All samples of the complete fragments. Raises MalformedMp4."""
    found: list[Run] = []
    moof: Box | None = None
    for box in boxes(data):
        if box.kind == "moof":
            moof = box
        elif box.kind == "mdat" and moof is not None:
            found += _fragment(data, moof, box)
            moof = None
    return found


def _fragment(data: bytes, moof: Box, media: Box) -> Iterator[Run]:
    traf = find(data, ("traf",), moof.body, moof.end)
    defaults, start = _Defaults(), 0
    for box in boxes(data, traf.body, traf.end):
        if box.kind == "tfhd":
            defaults = _defaults(data, box)
        elif box.kind == "tfdt":
            wide = data[box.body] == 1
            # Signed: the first samples of an encoder of sound may lie before zero.
            start = struct.unpack_from(">q" if wide else ">I", data, box.body + 4)[0]
        elif box.kind == "trun":
            run = _run(data, box, defaults, moof.start, start)
            size = sum(sample.size for sample in run.samples)
            if not media.body <= run.place <= run.place + size <= media.end:
                raise MalformedMp4("samples outside of their mdat")
            start += sum(sample.duration for sample in run.samples)
            yield run


def _defaults(data: bytes, box: Box) -> _Defaults:
    present = struct.unpack_from(">I", data, box.body)[0]
    at, found = box.body + 8, _Defaults()
    for bit, width in _HEADER:
        if not present & bit:
            continue
        if bit in (0x8, 0x10, 0x20):
            value = struct.unpack_from(">I", data, at)[0]
            setattr(found, {0x8: "duration", 0x10: "size", 0x20: "flags"}[bit], value)
        at += width
    return found


def _run(data: bytes, box: Box, defaults: _Defaults, base: int, start: int) -> Run:
    present, count = struct.unpack_from(">II", data, box.body)
    at = box.body + 8
    place = base
    if present & _DATA_AT:
        place += struct.unpack_from(">i", data, at)[0]
        at += 4
    first_flags = None
    if present & _FIRST_FLAGS:
        first_flags = struct.unpack_from(">I", data, at)[0]
        at += 4
    fields = [bit for bit in (_DURATION, _SIZE, _FLAGS, _OFFSET) if present & bit]
    if at + 4 * len(fields) * count > box.end:
        raise MalformedMp4("trun is too short")
    samples: list[Sample] = []
    for number in range(count):
        values = dict(zip(fields, struct.unpack_from(f">{len(fields)}I", data, at), strict=True))
        at += 4 * len(fields)
        flags = values.get(_FLAGS, defaults.flags)
        if number == 0 and first_flags is not None:
            flags = first_flags
        offset = values.get(_OFFSET, 0)
        samples.append(
            Sample(
                duration=values.get(_DURATION, defaults.duration),
                size=values.get(_SIZE, defaults.size),
                key=not flags & _NOT_SYNC,
                # Signed in every version: writers put negative offsets into version 0 too.
                offset=offset - (1 << 32) if offset >= 1 << 31 else offset,
            )
        )
    return Run(place, start, samples)
