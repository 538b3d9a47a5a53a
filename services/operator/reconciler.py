"""The reconciler: now and then, one of its replicas has every service compare what it has.

Each service knows its own tables, queues and objects, and what is missing or too much among them;
the reconciler sees that they look, one after the other, and says what they found.
"""

import asyncio
import time
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.operator.services import Refused, Services
from shared.errors import CinelogError
from shared.event_store.leadership import leadership
from shared.telemetry import get_logger

_log = get_logger(__name__)

LEADERSHIP: Final = "operator.reconciler"
_RETRY_SECONDS: Final = 1.0


class ReconcilerMetrics:
    """What an operator watches."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.leader = Gauge(
            "cinelog_reconciler_leader", "1 while this one leads.", registry=registry
        )
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
    """Leads or stands by."""

    def __init__(
        self, url: str, services: Services, metrics: ReconcilerMetrics, seconds: float
    ) -> None:
        self._url = url
        self._services = services
        self._metrics = metrics
        self._seconds = seconds

    async def run(self) -> None:
        """Reconcile whenever this process leads, for ever."""
        while True:
            try:
                async with leadership(self._url, LEADERSHIP):
                    self._metrics.leader.set(1)
                    _log.info("reconciler leads")
                    while True:
                        await self.round()
                        await asyncio.sleep(self._seconds)
            except Exception as error:
                _log.warning("reconciler stands back", error=repr(error))
                await asyncio.sleep(_RETRY_SECONDS)
            finally:
                self._metrics.leader.set(0)

    async def round(self) -> None:
        """Ask every service once; one that fails does not keep the others from it."""
        for service in self._services.names:
            began = time.monotonic()
            try:
                found = await self._services.reconcile(service, dry_run=False)
            except (CinelogError, Refused) as error:
                self._metrics.failures.labels(service).inc()
                _log.warning("not reconciled", service=service, error=str(error))
                continue
            for finding in found.findings:
                self._metrics.actions.labels(service, finding.action).inc()
            self._metrics.finished.labels(service).set_to_current_time()
            if found.findings:
                _log.info(
                    "reconciled",
                    service=service,
                    count=len(found.findings),
                    seconds=round(time.monotonic() - began, 2),
                )
