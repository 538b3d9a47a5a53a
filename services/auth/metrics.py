"""Auth's metrics."""

from typing import Literal

from prometheus_client import CollectorRegistry, Counter


class AuthMetrics:
    """Implements ``ports.Metrics``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._logins = Counter(
            "auth_logins_total",
            "Logins whose password was checked, by result.",
            ("result",),
            registry=registry,
        )
        self._refreshes = Counter(
            "auth_refreshes_total",
            "Refresh tokens sent, by result; reused: it was used before, so its session ended.",
            ("result",),
            registry=registry,
        )
        self._throttled = Counter(
            "auth_throttled_total",
            "Password checks refused because too many had failed.",
            registry=registry,
        )
        for result in ("ok", "wrong"):
            self._logins.labels(result)
        for result in ("ok", "refused", "reused"):
            self._refreshes.labels(result)

    def login(self, result: Literal["ok", "wrong"]) -> None:
        self._logins.labels(result).inc()

    def refresh(self, result: Literal["ok", "refused", "reused"]) -> None:
        self._refreshes.labels(result).inc()

    def throttled(self) -> None:
        self._throttled.inc()
