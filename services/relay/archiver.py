"""The archiver: one of the relay's replicas archives the log's newest events again and again."""

import asyncio

from prometheus_client import CollectorRegistry, Counter, Gauge

from shared.event_store.archive.archive import ArchiveBucket, archive
from shared.event_store.leadership import leadership
from shared.telemetry import get_logger

_log = get_logger(__name__)

LEADERSHIP = "cinelog.archive"
_RETRY_SECONDS = 5.0


class ArchiveMetrics:
    """What an operator watches: is the archive near the log's end, and does it still grow."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.leader = Gauge(
            "cinelog_archive_leader", "1 while this process archives.", registry=registry
        )
        self.position = Gauge(
            "cinelog_archive_position", "The last event archived.", registry=registry
        )
        self.failures = Counter(
            "cinelog_archive_failures", "Rounds that failed and are tried again.", registry=registry
        )


async def keep_archiving(
    url: str,
    bucket: ArchiveBucket,
    metrics: ArchiveMetrics,
    *,
    range_events: int,
    seconds: float,
) -> None:
    """Archive whenever this process leads, for ever, every ``seconds``.

    A round that fails is repeated soon, and what it had written is kept.
    """
    while True:
        try:
            async with leadership(url, LEADERSHIP) as connection:
                metrics.leader.set(1)
                while True:
                    head = await archive(connection, bucket, range_events=range_events)
                    metrics.position.set(head.last)
                    await asyncio.sleep(seconds)
        except Exception as error:
            metrics.failures.inc()
            _log.warning("archiving waits", error=repr(error))
        finally:
            metrics.leader.set(0)
        await asyncio.sleep(min(seconds, _RETRY_SECONDS))
