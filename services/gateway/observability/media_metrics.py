"""The metric of how long players wait for a first byte."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Histogram

_BUCKETS: Final = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_KINDS: Final = {
    "m3u8": "playlist",
    "mpd": "playlist",
    "m4s": "segment",
    "mp4": "segment",
    "m4a": "segment",
}


class MediaMetrics:
    """Seconds to the first byte, by kind. ``exemplar`` labels an observation with its trace."""

    def __init__(
        self, registry: CollectorRegistry, exemplar: Callable[[], dict[str, str] | None]
    ) -> None:
        seconds = Histogram(
            "gateway_media_first_byte_seconds",
            "Seconds until object storage began to answer for a player.",
            ("kind",),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._series = {
            kind: seconds.labels(kind) for kind in ("playlist", "segment", "image_or_text")
        }
        self._exemplar = exemplar

    def first_byte(self, extension: str, seconds: float) -> None:
        """Object storage has begun to answer, after ``seconds``."""
        kind = _KINDS.get(extension, "image_or_text")
        self._series[kind].observe(seconds, self._exemplar())
