"""What the reconciler shows of backups: it reads what they note in the database."""

from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Gauge

from services.operator.backups.database import connected, last_reports

KINDS: Final = ("backup", "restore_test")
ROUND_SECONDS: Final = 60.0
# The loop is alive where the database is silent.
_ANSWER_SECONDS: Final = 10.0


class BackupMetrics:
    """When the last good backup and the last good test of one ended; 0: never.

    ``hours``: how old each may become, by kind; 0: none is expected.
    """

    def __init__(
        self, registry: CollectorRegistry, database_url: str, hours: Mapping[str, float]
    ) -> None:
        self._database_url = database_url
        self._finished = Gauge(
            "cinelog_backup_finished_timestamp_seconds",
            "When the last good one ended.",
            ["kind"],
            registry=registry,
        )
        self._seconds = Gauge(
            "cinelog_backup_seconds",
            "How long the last good one took.",
            ["kind"],
            registry=registry,
        )
        self._bytes = Gauge(
            "cinelog_backup_bytes", "What the last good backup takes to restore.", registry=registry
        )
        oldest = Gauge(
            "cinelog_backup_max_age_seconds",
            "How old the last good one may become; 0: none is expected.",
            ["kind"],
            registry=registry,
        )
        for kind in KINDS:
            self._finished.labels(kind).set(0)
            self._seconds.labels(kind).set(0)
            oldest.labels(kind).set(hours[kind] * 3600)

    async def read(self) -> None:
        """Show what is noted now."""
        async with connected(self._database_url, answer_seconds=_ANSWER_SECONDS) as connection:
            for last in await last_reports(connection):
                self._finished.labels(last.kind).set(last.finished_at.timestamp())
                self._seconds.labels(last.kind).set(last.seconds)
                if last.kind == "backup":
                    self._bytes.set(last.bytes)
