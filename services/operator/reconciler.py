"""The reconciler: one of its replicas periodically asks every service to reconcile what it owns.

Each service compares its own tables, queues and objects and repairs what differs. The reconciler
calls the services one after the other, and logs and counts what they found.
"""

import time
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.operator.services import PATIENCE_SECONDS, Services
from shared.loops.cancellation import check_cancelled
from shared.loops.loops import Loops
from shared.telemetry import get_logger

_log = get_logger(__name__)

_LOOP: Final = "reconcile"
# A part of a round takes minutes; the call itself has a limit.
_SILENCE_SECONDS: Final = 2 * PATIENCE_SECONDS


class ReconcilerMetrics:
    """Rounds, failures and findings, by service."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.actions = Counter(
            "cinelog_reconciler_actions",
            "Things put right.",
            ["service", "action"],
            registry=registry,
        )
        self.failures = Counter(
            "cinelog_reconciler_failures",
            "Rounds that a service did not finish.",
            ["service"],
            registry=registry,
        )
        self.finished = Gauge(
            "cinelog_reconciler_finished_timestamp_seconds",
            "When the last round of a service ended well.",
            ["service"],
            registry=registry,
        )


class Reconciler:
    """Reconciles every ``seconds``, while its process leads."""

    def __init__(
        self, services: Services, metrics: ReconcilerMetrics, loops: Loops, seconds: float
    ) -> None:
        self._services = services
        self._metrics = metrics
        self._loops = loops
        self._seconds = seconds
        # Where the next round of a service begins that did not finish its last one.
        self._places: dict[str, str] = {}

    async def run(self, _lock: object) -> None:
        """Reconcile until cancelled."""
        await self._loops.repeat(_LOOP, self.round, self._seconds, silence_seconds=_SILENCE_SECONDS)

    async def round(self) -> None:
        """Ask every service once; the failure of one does not affect the others."""
        for service in self._services.names:
            began = time.monotonic()
            try:
                count = await self._reconcile(service)
            except Exception as error:
                check_cancelled()
                self._metrics.failures.labels(service).inc()
                _log.warning("not reconciled", service=service, error=repr(error))
                continue
            self._metrics.finished.labels(service).set_to_current_time()
            if count:
                _log.info(
                    "reconciled",
                    service=service,
                    count=count,
                    seconds=round(time.monotonic() - began, 2),
                )

    async def _reconcile(self, service: str) -> int:
        """Finish a service's round, part by part; returns the number of findings."""
        count = 0
        after = self._places.pop(service, "")
        while True:
            self._loops.progress.advance(_LOOP)
            try:
                part = await self._services.reconcile_part(service, dry_run=False, after=after)
            except Exception:
                if after:
                    self._places[service] = after
                raise
            for finding in part.findings:
                self._metrics.actions.labels(service, finding.action).inc()
            count += len(part.findings)
            if part.place is None:
                return count
            after = part.place
