"""A window's segments as periods of a DASH manifest. Pure."""

from typing import Final

from services.live.packaging.layout import SOUND, Layout, Rung
from services.live.window.dash import Anchor, Period, Piece, Presentation, Shown, newest_run
from services.live.window.playlists import SOUND_RATE, peak_rate
from services.live.window.segments import Segment, Track, Window

_AWAITED_SEGMENTS: Final = 3


def presentation(window: Window) -> Presentation | None:
    """What the window has to show; None until there is something."""
    layout, began = window.layout, window.began
    if layout is None or began is None:
        return None
    newest = max(window.anchors, default=0)
    periods: list[Period] = []
    for jumps, anchor in window.anchors.items():
        period = _period(window, jumps, anchor)
        if jumps == newest and not window.ended and not _begun(period, layout):
            continue
        if any(track.name != SOUND for track in period.tracks):
            periods.append(period)
    return Presentation(began, tuple(periods), window.ended) if periods else None


def _begun(period: Period, layout: Layout) -> bool:
    """Whether all tracks have something: players do not look for more of a period that they know.
    A track that is silent is not awaited for long."""
    names = {track.name for track in period.tracks}
    longest = max((len(track.pieces) for track in period.tracks), default=0)
    return names.issuperset(layout.tracks) or longest > _AWAITED_SEGMENTS


def _period(window: Window, jumps: int, anchor: Anchor) -> Period:
    rungs = {rung.name: rung for rung in window.layout.rungs} if window.layout else {}
    tracks = (_shown(track, rungs.get(track.name), jumps) for track in window.tracks.values())
    return Period(anchor, tuple(track for track in tracks if track is not None))


def _shown(track: Track, rung: Rung | None, jumps: int) -> Shown | None:
    whole = [s for s in track.segments.values() if s.jumps == jumps and s.done and not s.gap]
    if not whole:
        return None
    newest = whole[-1]
    init = track.inits.get(newest.init_key)
    if init is None:
        return None
    alike = [segment for segment in whole if _alike(segment, newest)]
    rate = SOUND_RATE if track.name == SOUND or rung is None else peak_rate(track, rung)
    return Shown(
        name=track.name,
        folder=newest.folder,
        init_key=newest.init_key,
        codecs=init.codecs,
        timescale=newest.timescale,
        rate=round(rate),
        pieces=newest_run([Piece(s.number, s.start, s.duration) for s in alike]),
        width=init.width,
        height=init.height,
    )


def _alike(one: Segment, other: Segment) -> bool:
    return one.folder == other.folder and one.init_key == other.init_key
