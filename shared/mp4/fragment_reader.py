"""Reads fragmented MP4 (ISO/IEC 14496-12): init segment, track and fragments. Pure."""

import struct

import msgspec

from shared.mp4.boxes import Box, MalformedMp4, boxes, find, parsing
from shared.mp4.sample_entry import codec_string


class Fragment(msgspec.Struct, frozen=True):
    """One ``moof`` with its ``mdat``: ``start`` and ``duration`` in ticks, the rest in bytes.

    ``key_bytes``: the end of the first sample, so that these bytes show its frame.
    """

    start: int
    duration: int
    samples: int
    keyframe: bool
    offset: int
    size: int
    key_bytes: int


class Track(msgspec.Struct, frozen=True):
    """The track of an init segment: ticks per second and the RFC 6381 codec string."""

    timescale: int
    codecs: str


def read_init_segment(data: bytes) -> bytes:
    """The ``ftyp`` and ``moov`` boxes. Raises MalformedMp4 where they are incomplete."""
    kept = {box.kind: box for box in boxes(data) if box.kind in ("ftyp", "moov")}
    if set(kept) != {"ftyp", "moov"}:
        raise MalformedMp4("no init segment")
    return b"".join(data[kept[kind].start : kept[kind].end] for kind in ("ftyp", "moov"))


@parsing()
def read_fragments(data: bytes, start: int = 0) -> list[Fragment]:
    """All complete fragments from an offset on, without their ``styp`` and ``sidx`` boxes.

    Raises MalformedMp4.
    """
    found: list[Fragment] = []
    moof: Box | None = None
    for box in boxes(data, start):
        if box.kind == "moof":
            moof = box
        elif box.kind == "mdat" and moof is not None:
            found.append(_fragment(data, moof, box.end))
            moof = None
    return found


def _fragment(data: bytes, moof: Box, end: int) -> Fragment:
    traf = find(data, ("traf",), moof.body, moof.end)
    decode_time = duration = samples = key_bytes = 0
    keyframe = False
    defaults = _Defaults()
    for box in boxes(data, traf.body, traf.end):
        if box.kind == "tfhd":
            defaults = _read_tfhd(data, box)
        elif box.kind == "tfdt":
            wide = data[box.body] == 1
            decode_time = struct.unpack_from(">Q" if wide else ">I", data, box.body + 4)[0]
        elif box.kind == "trun":
            run = _read_trun(data, box, defaults)
            if samples == 0:
                keyframe = not run.first_flags & _NOT_SYNC
                key_bytes = run.first_end
            samples += run.samples
            duration += run.duration
    return Fragment(
        decode_time, duration, samples, keyframe, moof.start, end - moof.start, key_bytes
    )


_NOT_SYNC = 0x10000


class _Defaults(msgspec.Struct, frozen=True):
    duration: int = 0
    size: int = 0
    flags: int = 0


class _Run(msgspec.Struct, frozen=True):
    """A ``trun``: sample count, summed duration, and the first sample's flags and end."""

    samples: int
    duration: int
    first_flags: int
    first_end: int


def _read_tfhd(data: bytes, box: Box) -> _Defaults:
    present = struct.unpack_from(">I", data, box.body)[0] & 0xFFFFFF
    at = box.body + 8
    duration = size = flags = 0
    for bit, width in ((0x1, 8), (0x2, 4), (0x8, 4), (0x10, 4), (0x20, 4)):
        if not present & bit:
            continue
        if bit == 0x8:
            duration = struct.unpack_from(">I", data, at)[0]
        elif bit == 0x10:
            size = struct.unpack_from(">I", data, at)[0]
        elif bit == 0x20:
            flags = struct.unpack_from(">I", data, at)[0]
        at += width
    return _Defaults(duration, size, flags)


def _read_trun(data: bytes, box: Box, defaults: _Defaults) -> _Run:
    present, count = struct.unpack_from(">II", data, box.body)
    at = box.body + 8
    data_offset = 0
    if present & 0x1:
        data_offset = struct.unpack_from(">i", data, at)[0]
        at += 4
    first_flags, first_size = defaults.flags, defaults.size
    if present & 0x4:
        first_flags = struct.unpack_from(">I", data, at)[0]
        at += 4
    fields = [bit for bit in (0x100, 0x200, 0x400, 0x800) if present & bit]
    step = 4 * len(fields)
    if at + step * count > box.end:
        raise MalformedMp4("trun is too short")
    if present & 0x200 and count:
        first_size = struct.unpack_from(">I", data, at + 4 * fields.index(0x200))[0]
    if present & 0x400 and not present & 0x4 and count:
        first_flags = struct.unpack_from(">I", data, at + 4 * fields.index(0x400))[0]
    if present & 0x100:
        total = sum(struct.unpack_from(">I", data, at + step * i)[0] for i in range(count))
    else:
        total = count * defaults.duration
    # With default-base-is-moof the data offset counts from the moof box.
    return _Run(count, total, first_flags, data_offset + first_size)


@parsing()
def read_track(init: bytes) -> Track:
    """The only track of an init segment. Raises MalformedMp4."""
    media = find(init, ("moov", "trak", "mdia"))
    header = find(init, ("mdhd",), media.body, media.end)
    wide = init[header.body] == 1
    timescale = struct.unpack_from(">I", init, header.body + (20 if wide else 12))[0]
    samples = find(init, ("minf", "stbl", "stsd"), media.body, media.end)
    entry = next(boxes(init, samples.body + 8, samples.end), None)
    if entry is None:
        raise MalformedMp4("no sample entry")
    if not timescale:
        raise MalformedMp4("a clock that stands still")
    return Track(timescale, codec_string(init, entry))
