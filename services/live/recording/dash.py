"""The MPEG-DASH manifest of a recording (ISO/IEC 23009-1): a period for each discontinuity. Pure.

All tracks of a period are shifted by one time, so that sound and picture stay together.
"""

from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as Xml

from services.live import object_keys
from services.live.packaging.layout import SOUND
from services.live.recording.history import Entry, History
from services.live.recording.playlists import rates

CONTENT_TYPE: Final = "application/dash+xml"
_NAMESPACE: Final = "urn:mpeg:dash:schema:mpd:2011"


def manifest(history: History, sizes: dict[str, tuple[int, int]]) -> bytes:
    """The manifest; its URIs are relative to the session's folder."""
    reference = history.reference()
    root = Xml.Element(
        "MPD",
        {
            "xmlns": _NAMESPACE,
            "profiles": "urn:mpeg:dash:profile:isoff-main:2011",
            "type": "static",
            "minBufferTime": "PT2S",
        },
    )
    total = 0.0
    for jumps in sorted({entry.jumps for entry in reference.values()}):
        tracks = {
            name: alike
            for name, entries in history.tracks.items()
            if (alike := [entry for entry in entries if entry.jumps == jumps])
        }
        total += _add_period(root, jumps, tracks, sizes, total)
    root.set("mediaPresentationDuration", f"PT{total:.3f}S")
    Xml.indent(root)
    return Xml.tostring(root, encoding="utf-8", xml_declaration=True)


def _add_period(
    root: Xml.Element,
    jumps: int,
    tracks: dict[str, list[Entry]],
    sizes: dict[str, tuple[int, int]],
    begins: float,
) -> float:
    """Add one period; its length in seconds."""
    pictures = [entries for name, entries in tracks.items() if name != SOUND] or [*tracks.values()]
    zero = min(_begin(entries[0]) for entries in pictures)
    length = max(_end(entries[-1]) for entries in pictures) - zero
    period = Xml.SubElement(
        root,
        "Period",
        {"id": str(jumps), "start": f"PT{begins:.3f}S", "duration": f"PT{length:.3f}S"},
    )
    group: Xml.Element | None = None
    for name, entries in tracks.items():
        if name == SOUND:
            _add_track(_adaptation(period, "audio"), name, entries, {}, zero)
            continue
        group = _adaptation(period, "video") if group is None else group
        stated: dict[str, str] = {}
        if name in sizes:
            width, height = sizes[name]
            stated = {"width": str(width), "height": str(height)}
        _add_track(group, name, entries, stated, zero)
    return length


def _adaptation(period: Xml.Element, kind: str) -> Xml.Element:
    return Xml.SubElement(
        period,
        "AdaptationSet",
        {
            "contentType": kind,
            "mimeType": f"{kind}/mp4",
            "segmentAlignment": "true",
            "startWithSAP": "1",
        },
    )


def _add_track(
    group: Xml.Element,
    name: str,
    entries: Sequence[Entry],
    stated: dict[str, str],
    zero: float,
) -> None:
    first = entries[0]
    shown = Xml.SubElement(
        group,
        "Representation",
        {
            "id": name,
            "bandwidth": str(max(rates(entries)[0], 1)),
            "codecs": first.codecs,
            **stated,
        },
    )
    listed = Xml.SubElement(
        shown,
        "SegmentList",
        {
            "timescale": str(first.timescale),
            "presentationTimeOffset": str(round(zero * first.timescale)),
        },
    )
    Xml.SubElement(listed, "Initialization", {"sourceURL": object_keys.uri(first.init_key)})
    timeline = Xml.SubElement(listed, "SegmentTimeline")
    for entry in entries:
        Xml.SubElement(timeline, "S", {"t": str(entry.start), "d": str(entry.duration)})
    for entry in entries:
        Xml.SubElement(listed, "SegmentURL", {"media": object_keys.uri(entry.key)})


def _begin(entry: Entry) -> float:
    return entry.start / entry.timescale


def _end(entry: Entry) -> float:
    return (entry.start + entry.duration) / entry.timescale
