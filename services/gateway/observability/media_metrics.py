"""The metric of how long players wait for a first byte."""

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from services.gateway.observability.plain_histograms import Durations
from shared.telemetry import exemplar

_NAME: Final = "gateway_media_first_byte_seconds"
_TEXT: Final = "Seconds until object storage began to answer for a player."
_BUCKETS: Final = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_OTHERS: Final = "image_or_text"
_KINDS: Final = {
    "m3u8": "playlist",
    "mpd": "playlist",
    "m4s": "segment",
    "mp4": "segment",
    "m4a": "segment",
}


class MediaMetrics(Collector):
    """Seconds to the first byte, by kind, as plain numbers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._series = {kind: Durations(_BUCKETS) for kind in ("playlist", "segment", _OTHERS)}
        registry.register(self)

    def first_byte(self, extension: str, seconds: float) -> None:
        """Object storage has begun to answer, after ``seconds``."""
        self._series[_KINDS.get(extension, _OTHERS)].add(seconds)

    def describe(self) -> Iterator[Metric]:
        """The metric without values: the registry checks that its name is unique."""
        yield HistogramMetricFamily(_NAME, _TEXT, labels=("kind",))

    def collect(self) -> Iterator[Metric]:
        """The metric, for a scrape."""
        family = HistogramMetricFamily(_NAME, _TEXT, labels=("kind",))
        for kind, series in self._series.items():
            family.add_metric((kind,), series.buckets(), series.seconds)
        yield family


class TracedMediaMetrics(MediaMetrics):
    """Where spans are exported: each observation has an exemplar, if its trace is sampled."""

    def __init__(self, registry: CollectorRegistry) -> None:
        seconds = Histogram(_NAME, _TEXT, ("kind",), buckets=_BUCKETS, registry=registry)
        self._labelled = {kind: seconds.labels(kind) for kind in ("playlist", "segment", _OTHERS)}

    def first_byte(self, extension: str, seconds: float) -> None:
        self._labelled[_KINDS.get(extension, _OTHERS)].observe(seconds, exemplar())
