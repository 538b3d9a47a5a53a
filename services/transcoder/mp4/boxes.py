"""Reading fragmented MP4 (ISO/IEC 14496-12): the init segment, the fragments, the codec strings.

Only as much as stitching needs: where each fragment lies, when it starts, how long it is and
whether it begins with a key frame.
"""

import struct
from collections.abc import Iterator

import msgspec


class MalformedMp4(Exception):
    """The bytes are not the fragmented MP4 that was expected."""


class Box(msgspec.Struct, frozen=True):
    """A box: four-character type, start, whole size and length of its header, in bytes."""

    kind: str
    start: int
    size: int
    header: int

    @property
    def body(self) -> int:
        return self.start + self.header

    @property
    def end(self) -> int:
        return self.start + self.size


class Fragment(msgspec.Struct, frozen=True):
    """One ``moof`` with its ``mdat``: ``start`` and ``duration`` in ticks, the rest in bytes.

    ``key_bytes`` is how far its first sample reaches: enough to show that picture alone.
    """

    start: int
    duration: int
    samples: int
    keyframe: bool
    offset: int
    size: int
    key_bytes: int


class Track(msgspec.Struct, frozen=True):
    """What the init segment says: ticks per second and the RFC 6381 codec string."""

    timescale: int
    codecs: str


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes between two offsets; stops before one that is not whole."""
    limit = len(data) if end is None else end
    while start + 8 <= limit:
        size, raw = struct.unpack_from(">I4s", data, start)
        header = 8
        if size == 1:
            if start + 16 > limit:
                return
            size = struct.unpack_from(">Q", data, start + 8)[0]
            header = 16
        elif size == 0:
            size = limit - start
        if size < header:
            raise MalformedMp4(f"box of {size} bytes at {start}")
        if start + size > limit:
            return
        yield Box(raw.decode("latin-1"), start, size, header)
        start += size


def find(data: bytes, path: tuple[str, ...], start: int = 0, end: int | None = None) -> Box:
    """The first box at ``path``. Raises MalformedMp4 where there is none."""
    for box in boxes(data, start, end):
        if box.kind != path[0]:
            continue
        if len(path) == 1:
            return box
        return find(data, path[1:], box.body, box.end)
    raise MalformedMp4(f"no {path[0]} box")


def read_init_segment(data: bytes) -> bytes:
    """The ``ftyp`` and ``moov`` boxes. Raises MalformedMp4 while they are not whole."""
    kept = {box.kind: box for box in boxes(data) if box.kind in ("ftyp", "moov")}
    if set(kept) != {"ftyp", "moov"}:
        raise MalformedMp4("no init segment")
    return b"".join(data[kept[kind].start : kept[kind].end] for kind in ("ftyp", "moov"))


def read_fragments(data: bytes, start: int = 0) -> list[Fragment]:
    """All whole fragments from an offset on. A ``styp`` or ``sidx`` before one is left out."""
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
    # Offsets count from the moof box: that is what default-base-is-moof means.
    return _Run(count, total, first_flags, data_offset + first_size)


def read_track(init: bytes) -> Track:
    """Timescale and codec string of the only track of an init segment."""
    media = find(init, ("moov", "trak", "mdia"))
    header = find(init, ("mdhd",), media.body, media.end)
    wide = init[header.body] == 1
    timescale = struct.unpack_from(">I", init, header.body + (20 if wide else 12))[0]
    samples = find(init, ("minf", "stbl", "stsd"), media.body, media.end)
    entry = next(boxes(init, samples.body + 8, samples.end), None)
    if entry is None:
        raise MalformedMp4("no sample entry")
    return Track(timescale, codec_string(init, entry))


# Bytes of a sample entry before its child boxes (14496-12, 12.1.3 and 12.2.3).
_VISUAL_ENTRY = 78
_AUDIO_ENTRY = 28


def codec_string(init: bytes, entry: Box) -> str:
    """The RFC 6381 string of a sample entry: AVC and AAC (3.3 there), HEVC (14496-15, E.3), AV1
    (its ISO binding, 5)."""
    if entry.kind in ("avc1", "avc3"):
        config = find(init, ("avcC",), entry.body + _VISUAL_ENTRY, entry.end)
        profile, constraints, level = init[config.body + 1 : config.body + 4]
        return f"{entry.kind}.{profile:02X}{constraints:02X}{level:02X}"
    if entry.kind == "mp4a":
        config = find(init, ("esds",), entry.body + _AUDIO_ENTRY, entry.end)
        return f"mp4a.40.{_audio_object_type(init[config.body + 4 : config.end])}"
    if entry.kind == "hvc1":
        config = find(init, ("hvcC",), entry.body + _VISUAL_ENTRY, entry.end)
        return f"hvc1.{_hevc_profile(init[config.body : config.end])}"
    if entry.kind == "av01":
        config = find(init, ("av1C",), entry.body + _VISUAL_ENTRY, entry.end)
        return f"av01.{_av1_profile(init[config.body : config.end])}"
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


def _audio_object_type(descriptors: bytes) -> int:
    """The first five bits of AudioSpecificConfig (14496-3, 1.6.2.1), behind tag 5."""
    at = 0
    while at < len(descriptors):
        tag = descriptors[at]
        at += 1
        length = 0
        while True:
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
        # ES_Descriptor and DecoderConfigDescriptor hold further descriptors after fixed fields.
        at += {0x03: 3, 0x04: 13}.get(tag, length)
    raise MalformedMp4("no AudioSpecificConfig")
