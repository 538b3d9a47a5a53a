"""The dynamic MPEG-DASH manifest of a running session (ISO/IEC 23009-1, profile isoff-live). Pure.

A period begins at each discontinuity. Its start, and the time in the tracks that this start is of,
come from the first segment of its first picture: they are the same in every update, on every
replica and from the log. Addresses of segments follow from their numbers, so a track shows the
newest run without a hole of each period.
"""

import datetime
from collections.abc import Iterable, Sequence
from typing import Final
from xml.etree import ElementTree as Xml

import msgspec

from services.live import object_keys
from services.live.packaging.layout import SOUND

CONTENT_TYPE: Final = "application/dash+xml"

_NAMESPACE: Final = "urn:mpeg:dash:schema:mpd:2011"
_PROFILE: Final = "urn:mpeg:dash:profile:isoff-live:2011"
_CLOCK: Final = "urn:mpeg:dash:utc:direct:2014"
_UPDATE_SECONDS: Final = 2
# As much as a window holds. It is stated from the beginning on: with what there is at that moment,
# dash.js goes back to the first segment again and again.
_DEPTH_SECONDS: Final = 60
_LEAST_SEGMENT: Final = 2.0
# Peaks rise while a session runs; a rate that changes rarely keeps the manifest alike.
_RATE_STEP: Final = 100_000


class Anchor(msgspec.Struct, frozen=True):
    """Where a period begins. ``name``: its id; ``at``: Unix seconds; ``zero``: the same moment in
    seconds of its tracks."""

    name: str
    at: float
    zero: float


class Piece(msgspec.Struct, frozen=True):
    """A segment; ``start`` and ``duration`` in ticks of its track."""

    number: int
    start: int
    duration: int


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A track in one period: segments whose numbers follow each other, of one decoder."""

    name: str
    folder: str
    init_key: str
    codecs: str
    timescale: int
    rate: int
    pieces: tuple[Piece, ...]
    width: int = 0
    height: int = 0


class Period(msgspec.Struct, frozen=True):
    """What lies between two discontinuities."""

    anchor: Anchor
    tracks: tuple[Shown, ...]


class Presentation(msgspec.Struct, frozen=True):
    """A session. ``began``: Unix seconds, when its first period begins."""

    began: float
    periods: tuple[Period, ...]
    ended: bool


def name_of(folder: str, jumps: int) -> str:
    """A period's id. The folder's epoch is part of it: an owner that is lost may have shown a
    discontinuity that the log does not have, and the next one has the same count."""
    return f"{object_keys.epoch_of(folder)}-{jumps}"


def newest_run(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """The last segments of ``pieces`` whose numbers follow each other."""
    first = len(pieces) - 1
    while first > 0 and pieces[first - 1].number + 1 == pieces[first].number:
        first -= 1
    return tuple(pieces[max(first, 0) :])


def manifest(presentation: Presentation, now: float) -> str:
    """The manifest; its addresses are relative to the session's folder. ``now``: Unix seconds."""
    periods = _without_overlaps(presentation)
    longest = max([_LEAST_SEGMENT, *(_longest(track) for p in periods for track in p.tracks)])
    root = Xml.Element(
        "MPD",
        {
            "xmlns": _NAMESPACE,
            "profiles": _PROFILE,
            # Where nothing follows, players go on to the end and stop there (DASH-IF IOP 4.6.4).
            "type": "static" if presentation.ended else "dynamic",
            "availabilityStartTime": _moment(presentation.began),
            "publishTime": _moment(now),
            "minBufferTime": f"PT{longest:.3f}S",
            "maxSegmentDuration": f"PT{longest:.3f}S",
            "suggestedPresentationDelay": f"PT{2 * longest + _UPDATE_SECONDS:.3f}S",
        },
    )
    if presentation.ended:
        root.set("mediaPresentationDuration", _duration(_end(periods, presentation.began)))
    else:
        root.set("minimumUpdatePeriod", f"PT{_UPDATE_SECONDS}S")
        root.set("timeShiftBufferDepth", f"PT{_DEPTH_SECONDS}S")
    for period in periods:
        _add_period(root, period, presentation.began)
    Xml.SubElement(root, "UTCTiming", {"schemeIdUri": _CLOCK, "value": _moment(now)})
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _without_overlaps(presentation: Presentation) -> list[Period]:
    """The periods without what the next one repeats: an ffmpeg that is started again begins with
    the last group of pictures, and the clock of another replica may be behind."""
    found: list[Period] = []
    until = float("inf")
    for period in reversed(presentation.periods):
        anchor = period.anchor
        if anchor.at >= until:
            continue
        tracks = [_before(track, anchor.zero + until - anchor.at) for track in period.tracks]
        kept = tuple(track for track in tracks if track.pieces)
        if kept:
            found.insert(0, Period(anchor, kept))
            until = anchor.at
    return found


def _before(track: Shown, until: float) -> Shown:
    pieces = tuple(piece for piece in track.pieces if piece.start < until * track.timescale)
    return msgspec.structs.replace(track, pieces=pieces)


def _add_period(root: Xml.Element, period: Period, began: float) -> None:
    anchor = period.anchor
    start = _duration(anchor.at - began)
    made = Xml.SubElement(root, "Period", {"id": anchor.name, "start": start})
    pictures = [track for track in period.tracks if track.name != SOUND]
    sounds = [track for track in period.tracks if track.name == SOUND]
    for kind, tracks in (("video", pictures), ("audio", sounds)):
        if tracks:
            _add_tracks(made, kind, tracks, anchor.zero)


def _add_tracks(period: Xml.Element, kind: str, tracks: Iterable[Shown], zero: float) -> None:
    group = Xml.SubElement(
        period,
        "AdaptationSet",
        {
            "id": kind,
            "contentType": kind,
            "mimeType": f"{kind}/mp4",
            "segmentAlignment": "true",
            "startWithSAP": "1",
        },
    )
    for track in tracks:
        stated = {"codecs": track.codecs, "bandwidth": str(_stepped(track.rate))}
        if track.width:
            stated |= {"width": str(track.width), "height": str(track.height)}
        shown = Xml.SubElement(group, "Representation", {"id": track.name, **stated})
        template = Xml.SubElement(
            shown,
            "SegmentTemplate",
            {
                "timescale": str(track.timescale),
                "presentationTimeOffset": str(round(zero * track.timescale)),
                "startNumber": str(track.pieces[0].number),
                "initialization": object_keys.uri(track.init_key),
                "media": object_keys.uri(f"{track.folder}/$Number$.m4s"),
            },
        )
        _add_timeline(template, track.pieces)


def _add_timeline(template: Xml.Element, pieces: Iterable[Piece]) -> None:
    timeline = Xml.SubElement(template, "SegmentTimeline")
    line: Xml.Element | None = None
    follows = repeats = length = 0
    for piece in pieces:
        if line is not None and piece.start == follows and piece.duration == length:
            repeats += 1
            line.set("r", str(repeats))
        else:
            stated = {"t": str(piece.start), "d": str(piece.duration)}
            line, repeats, length = Xml.SubElement(timeline, "S", stated), 0, piece.duration
        follows = piece.start + piece.duration


def _longest(track: Shown) -> float:
    return max(piece.duration for piece in track.pieces) / track.timescale


def _end(periods: Sequence[Period], began: float) -> float:
    """When the last segment ends, in seconds from the session's beginning."""
    if not periods:
        return 0.0
    anchor = periods[-1].anchor
    last = max(
        (track.pieces[-1].start + track.pieces[-1].duration) / track.timescale
        for track in periods[-1].tracks
    )
    return anchor.at - began + last - anchor.zero


def _stepped(rate: int) -> int:
    return max(-(-rate // _RATE_STEP), 1) * _RATE_STEP


def _duration(seconds: float) -> str:
    return f"PT{seconds:.6f}S"


def _moment(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
