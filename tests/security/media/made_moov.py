"""``moov`` boxes made by hand, so that each table can say anything."""

import struct
from typing import NamedTuple

from tests.unit.transcoder.source_tracks import avc_entry


class Tables(NamedTuple):
    """The tables of one track, as bytes after version and flags."""

    stsz: bytes
    stts: bytes
    stsc: bytes = struct.pack(">IIII", 1, 1, 1_000_000, 1)
    stco: bytes = struct.pack(">II", 1, 48)
    elst: bytes | None = None
    handler: bytes = b"vide"
    timescale: int = 600


def box(kind: str, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind.encode()) + body


def full(kind: str, *parts: bytes) -> bytes:
    return box(kind, bytes(4), *parts)


def film(frames: int, step: int = 24, size: int = 0) -> Tables:
    """A track of ``frames`` frames; of one ``size``, or of sizes in a table."""
    sizes = struct.pack(f">II{frames}I", 0, frames, *[100] * frames)
    return Tables(
        stsz=struct.pack(">II", size, frames) if size else sizes,
        stts=struct.pack(">III", 1, frames, step),
    )


def trak(tables: Tables) -> bytes:
    table = box(
        "stbl",
        full("stsd", struct.pack(">I", 1), avc_entry()),
        full("stts", tables.stts),
        full("stsc", tables.stsc),
        full("stsz", tables.stsz),
        full("stco", tables.stco),
        full("stss", struct.pack(">II", 1, 1)),
    )
    edits = () if tables.elst is None else (box("edts", full("elst", tables.elst)),)
    media = box(
        "mdia",
        full("mdhd", struct.pack(">IIIIHH", 0, 0, tables.timescale, 0, 0, 0)),
        full("hdlr", struct.pack(">I4s12x", 0, tables.handler), b"\0"),
        box("minf", table),
    )
    return box("trak", *edits, media)


def moov(*tracks: Tables, extra: bytes = b"") -> bytes:
    header = full("mvhd", struct.pack(">IIII", 0, 0, 1000, 0), bytes(80))
    return box("moov", header, *map(trak, tracks), extra)
