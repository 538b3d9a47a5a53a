"""Auth's own figures, for Prometheus."""

from typing import Literal

from prometheus_client import CollectorRegistry, Counter


class AuthFigures:
    """The ``Figures`` of the process, shown at /metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._logins = Counter(
            "auth_logins_total",
            "Logins whose password was looked at, by result.",
            ("result",),
            registry=registry,
        )
        self._refreshes = Counter(
            "auth_refreshes_total",
            "Refresh tokens shown, by result; reused: a spent one came back, its session ended.",
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
