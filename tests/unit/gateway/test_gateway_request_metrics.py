"""The gateway's plain numbers look to Prometheus like every service's counters."""

from prometheus_client import CollectorRegistry, generate_latest

from services.gateway.observability.request_metrics import RequestMetrics
from shared.http.metrics import HttpMetrics


def text(metrics: type[RequestMetrics] | None) -> list[str]:
    registry = CollectorRegistry()
    counted = RequestMetrics(registry) if metrics else HttpMetrics(registry, "gateway")
    for seconds, status in ((0.0005, 200), (0.001, 200), (0.25, 429), (64.0, 200)):
        counted.started()
        counted.finished("GET", "/api/v1/tags", status, seconds)
    counted.started()
    lines = generate_latest(registry).decode().splitlines()
    return sorted(line for line in lines if "_created" not in line and line[0] != "#")


def test_the_figures_are_those_of_locked_counters() -> None:
    assert text(RequestMetrics) == text(None)


def test_a_duration_on_a_limit_counts_as_not_longer() -> None:
    found = [line for line in text(RequestMetrics) if 'le="0.001"' in line]
    assert [line.rpartition(" ")[2] for line in found] == ["2.0"]
