"""Metrics of uploads: bytes stored, uploads by outcome, uploads under way."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from shared.contracts import UploadProtocol


class UploadMetrics:
    """Implements ``ports.Metrics``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._bytes = Counter(
            "cinelog_upload_bytes", "Bytes of uploads made durable.", registry=registry
        )
        self._refused = Counter(
            "cinelog_uploads_refused",
            "Uploads that found no slot: those of their user, or of the process, were taken.",
            ("reason",),
            registry=registry,
        )
        self._uploads = Counter(
            "cinelog_uploads",
            "Uploads by how they ended.",
            ("protocol", "outcome"),
            registry=registry,
        )

    def stored(self, size: int) -> None:
        self._bytes.inc(size)

    def ended(self, protocol: UploadProtocol, outcome: str) -> None:
        self._uploads.labels(protocol, outcome).inc()

    def refused(self, reason: str) -> None:
        self._refused.labels(reason).inc()

    def watch(self, receiving: Callable[[], int], waiting: Callable[[], int]) -> None:
        """Export how many uploads this process receives now, and how many wait for a slot."""
        gauge = Gauge("cinelog_uploads_receiving", "Uploads under way.", registry=self._registry)
        gauge.set_function(receiving)
        gauge = Gauge(
            "cinelog_uploads_waiting", "Small uploads waiting for a slot.", registry=self._registry
        )
        gauge.set_function(waiting)
