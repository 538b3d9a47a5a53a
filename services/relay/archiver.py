"""The archiver: one of the relay's replicas archives the log's newest events periodically."""

import asyncpg
from prometheus_client import CollectorRegistry, Counter, Gauge

from shared.event_store.archive.archive import ArchiveBucket, ArchiveHead, archive
from shared.loops.loops import Loops

_LOOP = "archive the log"
_RETRY_SECONDS = 5.0
_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 60.0


class ArchiveMetrics:
    """How far the archive reaches, and whether its end had to be written again."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.position = Gauge(
            "cinelog_archive_position", "The last event archived.", registry=registry
        )
        self.finished = Gauge(
            "cinelog_archive_finished_timestamp_seconds",
            "When the archive last held the whole log.",
            registry=registry,
        )
        self.repaired = Counter(
            "cinelog_archive_repaired_ranges",
            "Ranges at the archive's end that were written again.",
            registry=registry,
        )


class Archiver:
    """Archives every ``seconds`` in ranges of at most ``range_events``, while its process leads."""

    def __init__(
        self,
        url: str,
        bucket: ArchiveBucket,
        loops: Loops,
        metrics: ArchiveMetrics,
        *,
        range_events: int,
        seconds: float,
    ) -> None:
        self._url = url
        self._bucket = bucket
        self._loops = loops
        self._range_events = range_events
        self._seconds = seconds
        self._head: ArchiveHead | None = None
        self._metrics = metrics

    async def run(self, _lock: object) -> None:
        """Archive until cancelled. A round that fails is repeated; what it had written is kept."""
        await self._loops.repeat(_LOOP, self._round, self._seconds, retry_seconds=_RETRY_SECONDS)

    async def _round(self) -> None:
        connection = await asyncpg.connect(
            self._url, timeout=_CONNECT_SECONDS, command_timeout=_ANSWER_SECONDS
        )
        try:
            self._head = await archive(
                connection,
                self._bucket,
                range_events=self._range_events,
                progress=self._reached,
                trusted=self._head,
                repaired=self._metrics.repaired.inc,
            )
        finally:
            connection.terminate()
        self._metrics.position.set(self._head.last)
        self._metrics.finished.set_to_current_time()

    def _reached(self, position: int, _target: int) -> None:
        self._metrics.position.set(position)
        self._loops.progress.advance(_LOOP)
