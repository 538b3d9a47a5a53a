"""A session's segments in the log as periods of a DASH manifest. Pure."""

from collections.abc import Sequence

from services.live.packaging.layout import SOUND
from services.live.recording.history import Entry, History
from services.live.recording.playlists import rates
from services.live.window.dash import Period, Piece, Presentation, Shown, newest_run


def presentation(history: History, sizes: dict[str, tuple[int, int]]) -> Presentation | None:
    """What the log has to show; None for nothing. ``sizes``: width and height of renditions, where
    known."""
    periods: list[Period] = []
    for jumps, anchor in history.anchors.items():
        shown = (
            _shown(name, [entry for entry in entries if entry.jumps == jumps], sizes)
            for name, entries in history.tracks.items()
        )
        tracks = tuple(track for track in shown if track is not None)
        if any(track.name != SOUND for track in tracks):
            periods.append(Period(anchor, tracks))
    return Presentation(history.began, tuple(periods), history.ended) if periods else None


def _shown(name: str, entries: Sequence[Entry], sizes: dict[str, tuple[int, int]]) -> Shown | None:
    if not entries:
        return None
    newest = entries[-1]
    folder = newest.key.rpartition("/")[0]
    alike = [e for e in entries if e.init_key == newest.init_key]
    width, height = sizes.get(name, (0, 0)) if name != SOUND else (0, 0)
    return Shown(
        name=name,
        folder=folder,
        init_key=newest.init_key,
        codecs=newest.codecs,
        timescale=newest.timescale,
        rate=rates(entries)[0],
        pieces=newest_run([Piece(e.number, e.start, e.duration) for e in alike]),
        width=width,
        height=height,
    )
