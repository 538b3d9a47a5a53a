"""Whether tracks of an MP4 or MOV file are encrypted, and how (ISO/IEC 14496-12, 8.12). Pure."""

from collections.abc import Iterator
from typing import Final

from shared.mp4.boxes import MalformedMp4, boxes, find, parsing

# Types of sample entries whose samples are encrypted.
_LOCKED: Final = frozenset(("encv", "enca", "enct", "encs", "drms", "drmi", "p608"))
_FAIRPLAY: Final = frozenset(("drms", "drmi", "p608"))
_SCHEME_FIELDS: Final = 8


def protection_of(entry: bytes) -> str | None:
    """The protection that a sample entry states, for people; None where it has none."""
    kind = entry[4:8].decode("latin-1")
    if kind not in _LOCKED:
        return None
    at = entry.find(b"schm")
    scheme = entry[at + _SCHEME_FIELDS : at + _SCHEME_FIELDS + 4].decode("latin-1")
    if kind in _FAIRPLAY or scheme == "itun":
        return "Apple FairPlay"
    if at < 0 or not scheme.isalnum():
        return "encryption"
    return f"Common Encryption, {scheme}"


def protected_tracks(moov: bytes) -> dict[int, str]:
    """The protection of each encrypted track, by its place among all tracks of a ``moov`` box."""
    try:
        return {place: found for place, entry in _entries(moov) if (found := protection_of(entry))}
    except MalformedMp4:
        return {}


@parsing()
def _entries(moov: bytes) -> "list[tuple[int, bytes]]":
    return list(_each_entry(moov))


def _each_entry(moov: bytes) -> Iterator[tuple[int, bytes]]:
    outer = find(moov, ("moov",))
    traks = (box for box in boxes(moov, outer.body, outer.end) if box.kind == "trak")
    for place, trak in enumerate(traks):
        try:
            table = find(moov, ("mdia", "minf", "stbl", "stsd"), trak.body, trak.end)
        except MalformedMp4:
            continue
        for entry in boxes(moov, table.body + 8, table.end):
            yield place, moov[entry.start : entry.end]
