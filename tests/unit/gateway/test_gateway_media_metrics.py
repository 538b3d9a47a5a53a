"""Seconds to the first byte as plain numbers look to Prometheus like a histogram's."""

from prometheus_client import CollectorRegistry, generate_latest

from services.gateway.observability.media_metrics import MediaMetrics, TracedMediaMetrics


def text(kind: type[MediaMetrics]) -> list[str]:
    registry = CollectorRegistry()
    metrics = kind(registry)
    for extension in ("m3u8", "mpd", "m4s", "mp4", "m4a", "jpg", "vtt"):
        for seconds in (0.0001, 0.0025, 0.3, 11.0):
            metrics.first_byte(extension, seconds)
    lines = generate_latest(registry).decode().splitlines()
    return sorted(line for line in lines if "_created" not in line)


def test_the_figures_are_those_of_a_histogram() -> None:
    assert text(MediaMetrics) == text(TracedMediaMetrics)
