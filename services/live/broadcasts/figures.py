"""What operators see of this replica's sessions, as gauges that are read when they are asked."""

from collections.abc import Callable
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry, Gauge


class Figures(msgspec.Struct, frozen=True):
    """Sums over all sessions, and the worst of each in seconds.

    ``behind``: pictures that ffmpeg has and has not given back. ``part_delay``: from the arrival of
    a part's last picture until playlists have the part. ``storage_wait``: of the oldest segment
    that the storage has not taken. ``dropped_rungs``: renditions that were given up because
    encoding was too slow.
    """

    sessions: int = 0
    bit_rate: int = 0
    behind: float = 0.0
    part_delay: float = 0.0
    storage_wait: float = 0.0
    dropped_rungs: int = 0


_GAUGES: Final = (
    ("cinelog_live_sessions", "Sessions with a publisher.", "sessions"),
    ("cinelog_live_ingest_bits_per_second", "What all publishers send together.", "bit_rate"),
    ("cinelog_live_behind_seconds", "How far encoding is behind, of the worst session.", "behind"),
    (
        "cinelog_live_part_delay_seconds",
        "From the arrival of a part's last picture to the playlists, of the worst session.",
        "part_delay",
    ),
    (
        "cinelog_live_storage_wait_seconds",
        "How long the oldest segment waits for the storage.",
        "storage_wait",
    ),
    (
        "cinelog_live_dropped_rungs",
        "Renditions that running sessions do without, because encoding was too slow.",
        "dropped_rungs",
    ),
)


def show_figures(registry: CollectorRegistry, figures: Callable[[], Figures]) -> None:
    """Register the gauges."""
    for name, what, field in _GAUGES:
        gauge = Gauge(name, what, registry=registry)
        gauge.set_function(_reader(figures, field))


def _reader(figures: Callable[[], Figures], field: str) -> Callable[[], float]:
    return lambda: float(getattr(figures(), field))
