"""What is measured of plain attempts, by whoever records that they begin or end."""

from prometheus_client import CollectorRegistry, Counter

from services.transcoder.domain import SYSTEM, Transcode
from shared.contracts import TranscodeCompleted, TranscodeFailed, TranscodeRetried
from shared.event_store.decider import Outcome
from shared.telemetry import get_logger

_log = get_logger(__name__)


class AttemptMetrics:
    """Counters of plain attempts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._begun = Counter(
            "cinelog_transcode_plain_attempts",
            "Attempts that decode the whole source first, by the reason.",
            ["code"],
            registry=registry,
        )
        self._ended = Counter(
            "cinelog_transcode_plain_ends",
            "Ends of such attempts.",
            ["outcome"],
            registry=registry,
        )

    def observe(self, outcome: Outcome[Transcode]) -> None:
        """Count what a command has recorded."""
        for event in outcome.events:
            if isinstance(event, TranscodeRetried) and event.requested_by == SYSTEM:
                self._begun.labels(event.code or "").inc()
                _log.info("plain attempt begins", video=event.video_id, code=event.code)
            elif isinstance(event, TranscodeCompleted) and outcome.state.plain:
                self._ended.labels("completed").inc()
            elif isinstance(event, TranscodeFailed) and outcome.state.plain:
                self._ended.labels("failed").inc()
