"""What a worker measures."""

from collections.abc import Mapping

from opentelemetry import trace
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.transcoder.encoding.scratch import Scratch
from services.transcoder.handlers import AttemptMetrics
from services.transcoder.scheduler.leases import ClaimedTask
from services.transcoder.scheduler.tasks import MAX_TRIES
from shared.contracts import ChunkEncoded, Event
from shared.telemetry import exemplar, get_logger

_log = get_logger(__name__)


class WorkerMetrics:
    """Counters and histograms of a worker's tasks, and gauges of its scratch folder."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.tasks = Counter(
            "cinelog_transcode_tasks", "Tasks ended.", ["kind", "outcome"], registry=registry
        )
        self.seconds = Histogram(
            "cinelog_transcode_task_seconds",
            "Time that tasks took.",
            ["kind"],
            buckets=(0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000),
            registry=registry,
        )
        self.running = Gauge("cinelog_transcode_running", "Tasks being done.", registry=registry)
        self.tries = Histogram(
            "cinelog_transcode_task_tries",
            "How many tries the tasks that were done took.",
            ["kind"],
            buckets=range(1, MAX_TRIES + 1),
            registry=registry,
        )
        self.speed = Histogram(
            "cinelog_encode_speed_ratio",
            "Encoding speed of a chunk, in multiples of real time; all of its renditions at once.",
            ["rendition"],
            buckets=(0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 8, 12, 20),
            registry=registry,
        )
        self.attempts = AttemptMetrics(registry)
        self._registry = registry

    def watch_scratch(self, scratch: Scratch) -> None:
        """Measure the bytes that tasks have on disk, and the bytes free on that disk."""
        used = Gauge(
            "cinelog_scratch_bytes", "Bytes that tasks have on disk.", registry=self._registry
        )
        used.set_function(scratch.used)
        free = Gauge(
            "cinelog_scratch_free_bytes", "Bytes free on that disk.", registry=self._registry
        )
        free.set_function(scratch.free)

    def watch_sandbox(self, layers: Mapping[str, bool]) -> None:
        """Show which layers of ffmpeg's sandbox this machine has, and log those that it lacks."""
        held = Gauge(
            "cinelog_sandbox_layer",
            "Whether the machine has a layer of the sandbox of decoders: 1 or 0.",
            ["layer"],
            registry=self._registry,
        )
        for layer, there in layers.items():
            held.labels(layer).set(there)
        missing = [layer for layer, there in layers.items() if not there]
        if missing:
            _log.info("sandbox lacks layers", layers=missing)

    def done(self, task: ClaimedTask, event: Event) -> None:
        """Observe a task that has ended in ``event``."""
        self.tries.labels(task.kind).observe(task.tries)
        if isinstance(event, ChunkEncoded):
            # ffmpeg reports no speed for a run that is shorter than its reporting period.
            trace.get_current_span().set_attribute("transcode.speed", event.speed)
            for track in event.tracks:
                self.speed.labels(track.name).observe(event.speed, exemplar())
