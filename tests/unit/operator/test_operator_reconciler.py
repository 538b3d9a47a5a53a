"""One service that does not finish its round keeps no other from its own."""

from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from services.operator.reconciler import Reconciler, ReconcilerMetrics
from services.operator.services import Refused, ServiceUnavailable
from shared.loops.loops import Loops
from shared.reconciliation import Finding, Findings

NAMES = [f"service{number:02d}" for number in range(20)]
BAD = "service07"


class Services:
    """Twenty services that find one thing each; one of them fails."""

    names = NAMES

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def reconcile_part(self, service: str, *, dry_run: bool, after: str) -> Findings:
        assert not dry_run
        if service == BAD:
            raise self.error
        found = (Finding(action="remove", subject="x"),)
        return Findings(service=service, dry_run=False, findings=found)


@pytest.mark.parametrize("error", [ServiceUnavailable("away"), Refused("no"), ValueError("odd")])
async def test_one_service_of_twenty_fails(error: Exception) -> None:
    registry = CollectorRegistry()
    services = cast(Any, Services(error))
    reconciler = Reconciler(services, ReconcilerMetrics(registry), Loops(registry), 1.0)
    await reconciler.round()
    for name in NAMES:
        labels = {"service": name, "action": "remove"}
        done = registry.get_sample_value("cinelog_reconciler_actions_total", labels)
        assert done == (None if name == BAD else 1)
    failures = registry.get_sample_value("cinelog_reconciler_failures_total", {"service": BAD})
    assert failures == 1


class Parts:
    """A service whose round has four parts; the third fails once."""

    names = ("transcoder",)

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.broken = True

    async def reconcile_part(self, service: str, *, dry_run: bool, after: str) -> Findings:
        self.asked.append(after)
        if after == "b" and self.broken:
            self.broken = False
            raise ServiceUnavailable("away")
        place = {"": "a", "a": "b", "b": "c", "c": None}[after]
        found = (Finding(action="remove", subject="x"),)
        return Findings(service=service, dry_run=False, findings=found, place=place)


async def test_a_round_that_was_broken_off_goes_on_at_its_place() -> None:
    registry = CollectorRegistry()
    services = Parts()
    reconciler = Reconciler(
        cast(Any, services), ReconcilerMetrics(registry), Loops(registry), seconds=1.0
    )
    for _ in range(3):
        await reconciler.round()
    assert services.asked == ["", "a", "b", "b", "c", "", "a", "b", "c"]
    labels = {"service": "transcoder", "action": "remove"}
    assert registry.get_sample_value("cinelog_reconciler_actions_total", labels) == 8
