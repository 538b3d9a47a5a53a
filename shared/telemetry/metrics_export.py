"""Exports the process's Prometheus registry as OTLP, so that each metric is declared once.

A thread of its own converts the registry to OTLP data points, with exemplars and under the same
names. It is no task of the event loop: metrics are sent while the event loop is blocked, too.
"""

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final, cast

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.samples import Sample

_SECONDS: Final = 15.0
_Labels = tuple[tuple[str, str], ...]


def export_metrics(registry: CollectorRegistry, otlp_endpoint: str) -> None:
    """Send ``registry`` to an OTLP endpoint until the process ends.

    Every 15 s, or as OTEL_METRIC_EXPORT_INTERVAL (milliseconds) says.
    """
    interval = float(os.environ.get("OTEL_METRIC_EXPORT_INTERVAL") or 1000 * _SECONDS) / 1000
    exporter = OTLPMetricExporter(endpoint=f"{otlp_endpoint.rstrip('/')}/v1/metrics", timeout=5)
    started = time.time_ns()
    provider = trace.get_tracer_provider()
    resource = provider.resource if isinstance(provider, TracerProvider) else Resource.create()

    # Its keyword arguments have no types.
    send = cast("Callable[[MetricsData], object]", exporter.export)  # pyright: ignore[reportUnknownMemberType]

    def export_forever() -> None:
        while True:
            time.sleep(interval)
            send(as_otlp(registry.collect(), resource, started))

    threading.Thread(target=export_forever, name="otlp-metrics", daemon=True).start()


def as_otlp(families: Iterable[Family], resource: Resource, started: int) -> MetricsData:
    """Prometheus' metric families as OTLP; counters run since ``started`` (Unix nanoseconds)."""
    now = time.time_ns()
    metrics: list[Metric] = []
    for family in families:
        if family.type == "histogram":
            data: Sum | Gauge | Histogram = _histogram(family, started, now)
        elif family.type == "counter":
            points = _numbers(family, "_total", started, now)
            data = Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True)
        else:
            data = Gauge(_numbers(family, "", started, now))
        if data.data_points:
            metrics.append(Metric(family.name, family.documentation, family.unit or None, data))
    scope = ScopeMetrics(InstrumentationScope("cinelog"), metrics, schema_url="")
    return MetricsData([ResourceMetrics(resource, [scope], schema_url="")])


def _numbers(family: Family, suffix: str, started: int, now: int) -> list[NumberDataPoint]:
    return [
        NumberDataPoint(dict(sample.labels), started, now, sample.value)
        for sample in family.samples
        if sample.name == family.name + suffix
    ]


def _histogram(family: Family, started: int, now: int) -> Histogram:
    buckets: dict[_Labels, list[Sample]] = defaultdict(list)
    sums: dict[_Labels, float] = {}
    for sample in family.samples:
        labels = tuple((name, value) for name, value in sample.labels.items() if name != "le")
        if sample.name.endswith("_bucket"):
            buckets[labels].append(sample)
        elif sample.name.endswith("_sum"):
            sums[labels] = sample.value
    points: list[HistogramDataPoint] = []
    for labels, cumulative in buckets.items():
        totals = [int(sample.value) for sample in cumulative]
        counts = [after - before for before, after in zip([0, *totals], totals, strict=False)]
        bounds = [float(sample.labels["le"]) for sample in cumulative]
        points.append(
            HistogramDataPoint(
                attributes=dict(labels),
                start_time_unix_nano=started,
                time_unix_nano=now,
                count=totals[-1],
                sum=sums.get(labels, 0.0),
                bucket_counts=counts,
                explicit_bounds=bounds[:-1],
                # Optional in OTLP; Prometheus has neither.
                min=cast("float", None),
                max=cast("float", None),
                exemplars=_exemplars(cumulative, now),
            )
        )
    return Histogram(points, AggregationTemporality.CUMULATIVE)


def _exemplars(samples: Iterable[Sample], now: int) -> list[Exemplar]:
    found: list[Exemplar] = []
    for sample in samples:
        kept = sample.exemplar
        if kept is not None:
            found.append(
                Exemplar(
                    filtered_attributes={},
                    value=kept.value,
                    time_unix_nano=int(1e9 * float(str(kept.timestamp))) if kept.timestamp else now,
                    span_id=int(kept.labels["span_id"], 16),
                    trace_id=int(kept.labels["trace_id"], 16),
                )
            )
    return found
