"""Metrics of live: publishers, takeovers, refusals, viewers, and how soon a session is a video."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.live.ports import RefusedCode
from shared.contracts import LiveProtocol

_SECONDS = (0.5, 1, 2, 5, 10, 30, 60, 300, 900)


class LiveMetrics:
    """Implements ``ports.Metrics``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._connected = Counter(
            "cinelog_live_connections",
            "Publishers that were accepted; takeover: of a session that had one before.",
            ("protocol", "takeover"),
            registry=registry,
        )
        self._refused = Counter(
            "cinelog_live_refusals",
            "Publishers that were refused.",
            ("protocol", "code"),
            registry=registry,
        )
        self._recorded = Histogram(
            "cinelog_live_recording_seconds",
            "Seconds from a session's end until it was a video.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._viewers = Gauge(
            "cinelog_live_viewers",
            "Viewers of all running lives, at the replica that leads; 0 at the others.",
            registry=registry,
        )
        self._readers = Gauge(
            "cinelog_live_chat_readers", "Readers of chats, at this replica.", registry=registry
        )

    def connected(self, protocol: LiveProtocol, *, takeover: bool) -> None:
        self._connected.labels(protocol, str(takeover).lower()).inc()

    def refused(self, protocol: LiveProtocol, code: RefusedCode) -> None:
        self._refused.labels(protocol, code).inc()

    def recorded(self, seconds: float) -> None:
        self._recorded.observe(seconds)

    def chatting(self, readers: int) -> None:
        self._readers.set(readers)

    def watched(self, viewers: int) -> None:
        self._viewers.set(viewers)
