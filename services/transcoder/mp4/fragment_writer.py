"""Writes fragmented MP4 (ISO/IEC 14496-12, CMAF) around the unchanged samples of a source. Pure.

Times follow from the index alone, so any fragment can be written independently, always with the
same bytes.
"""

import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Final

import msgspec

from services.transcoder.mp4.sample_index import SampleTrack
from shared.mp4.boxes import Box, MalformedMp4, parsing
from shared.mp4.sample_entry import (
    codec_string,
    config,
    entry_children,
    visual_fields,
)

_SYNC: Final = 0x02000000
_OTHER: Final = 0x01010000
_IDR: Final = 5
_SPS: Final = 7
# Boxes of a sample entry that decoding needs.
_KEPT: Final = ("avcC", "colr", "pasp")
_MATRIX: Final = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


class OutputClock(msgspec.Struct, frozen=True):
    """Converts the source's media time to the output's, in which decoding and display begin at 0.

    ``late``: ticks of the source by which its first frame is late; that frame is shown longer.
    ``lead``: ticks by which decoding precedes display, so that no composition offset is negative;
    the edit list compensates it. ``reorder``: the source's own lead.
    """

    first_decode: int
    first_shown: int
    late: int
    reorder: int
    timescale: int
    scale: Fraction

    @property
    def lead(self) -> int:
        return self._scaled(self.reorder + self.first_shown - self.first_decode)

    def decode(self, track: SampleTrack, sample: int) -> int:
        """The decode time of a sample; after the last sample, the end of decoding."""
        if sample >= track.count:
            # The last sample lasts until display ends.
            reached = track.decode[-1] - self.first_decode + self.late
            return self._scaled(max(reached + 1, track.end - self.first_shown + self.late))
        return self._scaled(track.decode[sample] - self.first_decode + (self.late if sample else 0))

    def shown(self, track: SampleTrack, sample: int) -> int:
        """The display time of a sample; after the last sample, the end of display."""
        if sample >= track.count:
            return self._scaled(track.end - self.first_shown + self.late)
        shown = track.composition[sample] - self.first_shown
        return self._scaled(shown + (self.late if sample else 0))

    def offset(self, track: SampleTrack, sample: int) -> int:
        """The composition offset of a sample: from decode to display time plus lead."""
        return max(0, self.shown(track, sample) + self.lead - self.decode(track, sample))

    def _scaled(self, ticks: int) -> int:
        above, below = self.scale.numerator, self.scale.denominator
        return (2 * ticks * above + below) // (2 * below)


def output_clock(track: SampleTrack, delay_us: int, timescale: int) -> OutputClock:
    """The clock of a source whose first frame is ``delay_us`` microseconds late.

    All renditions use the same ``timescale``, because hls.js restarts its clock where they differ.
    """
    return OutputClock(
        first_decode=track.decode[0],
        first_shown=track.composition[0],
        late=round(delay_us * track.timescale / 1_000_000),
        reorder=max(map(int.__sub__, track.decode, track.composition)),
        timescale=timescale,
        scale=Fraction(timescale, track.timescale),
    )


def codecs(track: SampleTrack) -> str:
    """The RFC 6381 codec string of an H.264 track. Raises MalformedMp4."""
    return codec_string(track.entry, Box("avc1", 0, len(track.entry), 8))


def write_fragment(
    track: SampleTrack, clock: OutputClock, samples: range, number: int, media: bytes
) -> bytes:
    """The ``moof`` and ``mdat`` of ``samples``; ``media``: their bytes, in the same order."""
    first, stop = samples.start, samples.stop
    keys = set(track.keys[bisect_left(track.keys, first) : bisect_left(track.keys, stop)])
    rows = bytearray()
    for sample in samples:
        rows += struct.pack(
            ">IIIi",
            clock.decode(track, sample + 1) - clock.decode(track, sample),
            track.sizes[sample],
            _SYNC if sample in keys else _OTHER,
            clock.offset(track, sample),
        )
    header = _full("mfhd", 0, 0, struct.pack(">I", number))
    track_header = _full("tfhd", 0, 0x020000, struct.pack(">I", 1))
    time = _full("tfdt", 1, 0, struct.pack(">Q", clock.decode(track, first)))

    def moof(data_at: int) -> bytes:
        run = struct.pack(">Ii", len(samples), data_at) + bytes(rows)
        table = _full("trun", 1, 0x000F01, run)
        return _box("moof", header, _box("traf", track_header, time, table))

    whole = moof(0)
    return moof(len(whole) + 8) + _box("mdat", media)


@parsing()
def write_init_segment(track: SampleTrack, clock: OutputClock) -> bytes:
    """``ftyp`` and ``moov``. Raises MalformedMp4."""
    width, height = track.entry[32:34], track.entry[34:36]
    entry = _sample_entry(track.entry)
    tables = _box(
        "stbl",
        _full("stsd", 0, 0, struct.pack(">I", 1), entry),
        _full("stts", 0, 0, bytes(4)),
        _full("stsc", 0, 0, bytes(4)),
        _full("stsz", 0, 0, bytes(8)),
        _full("stco", 0, 0, bytes(4)),
    )
    place = _box("dinf", _full("dref", 0, 0, struct.pack(">I", 1), _full("url ", 0, 1)))
    media = _box(
        "mdia",
        _full("mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, clock.timescale, 0, 0x55C4, 0)),
        _full("hdlr", 0, 0, struct.pack(">I4s12x", 0, b"vide"), b"VideoHandler\0"),
        _box("minf", _full("vmhd", 0, 1, bytes(8)), place, tables),
    )
    size = struct.pack(">HHHH", *struct.unpack(">H", width), 0, *struct.unpack(">H", height), 0)
    head = _full("tkhd", 0, 3, struct.pack(">IIIII", 0, 0, 1, 0, 0), bytes(16), _MATRIX, size)
    edits = struct.pack(">IIiI", 1, 0, clock.lead, 0x10000)
    movie = _full(
        "mvhd",
        0,
        0,
        struct.pack(">IIIIIH10x", 0, 0, 1000, 0, 0x10000, 0x0100),
        _MATRIX,
        bytes(24),
        struct.pack(">I", 2),
    )
    return _box("ftyp", b"iso6", bytes(4), b"iso6mp41") + _box(
        "moov",
        movie,
        _box("trak", head, _box("edts", _full("elst", 0, 0, edits)), media),
        _box("mvex", _full("trex", 0, 0, struct.pack(">IIIII", 1, 1, 0, 0, 0))),
    )


@parsing()
def has_idr(sample: bytes, entry: bytes) -> bool:
    """Whether a sample contains an IDR picture, so that no later frame refers to an earlier one.

    Raises MalformedMp4.
    """
    return any(unit[0] & 0x1F == _IDR for unit in _units(sample, entry))


def changes_parameters(media: bytes, sizes: Iterable[int], entry: bytes) -> bool:
    """Whether consecutive samples contain parameters of sequences that their entry does not.

    Raises MalformedMp4.
    """
    known = _sequence_parameters(entry)
    at = 0
    for size in sizes:
        for unit in _units(media[at : at + size], entry):
            if unit[0] & 0x1F == _SPS and bytes(unit) not in known:
                return True
        at += size
    return False


def _units(sample: bytes, entry: bytes) -> Iterator[memoryview]:
    """The NAL units of a sample, none of them empty (ISO/IEC 14496-15, 5.3.2)."""
    width = (entry[config(entry).body + 4] & 3) + 1
    view = memoryview(sample)
    at = 0
    while at + width < len(sample):
        length = int.from_bytes(view[at : at + width], "big")
        if length:
            yield view[at + width : at + width + length]
        at += width + length


@parsing()
def _sequence_parameters(entry: bytes) -> set[bytes]:
    """The parameters of sequences in avcC (ISO/IEC 14496-15, 5.3.3.1)."""
    box = config(entry)
    known: set[bytes] = set()
    at = box.body + 6
    for _ in range(entry[box.body + 5] & 0x1F):
        length = int.from_bytes(entry[at : at + 2], "big")
        known.add(entry[at + 2 : at + 2 + length])
        at += 2 + length
    return known


def _sample_entry(entry: bytes) -> bytes:
    """The source's sample entry, with the boxes that decoding needs and no others."""
    fixed = visual_fields(entry)
    # Data reference 1, and no compressor name.
    fixed[6:8] = b"\0\1"
    fixed[42:74] = bytes(32)
    children = [entry[box.start : box.end] for box in entry_children(entry) if box.kind in _KEPT]
    return _box("avc1", bytes(fixed), *children)


def _box(kind: str, *parts: bytes) -> bytes:
    body = b"".join(parts)
    if len(body) + 8 >= 1 << 32:
        raise MalformedMp4("a box of more than 4 GiB")
    return struct.pack(">I4s", len(body) + 8, kind.encode("latin-1")) + body


def _full(kind: str, version: int, flags: int, *parts: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *parts)
