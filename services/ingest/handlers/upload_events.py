"""Decisions on uploads, appended to their streams."""

from typing import Final

from services.ingest import domain
from services.ingest.domain import Command
from services.ingest.ports import Metrics, Upload
from shared.contracts import UploadStarted, stream_id
from shared.event_store.decider import Decider, execute, load
from shared.event_store.store import EventStore, Metadata
from shared.telemetry import current_traceparent, get_logger

_log = get_logger(__name__)

DECIDER: Final = Decider(domain.initial, domain.decide, domain.evolve)


class UploadEvents:
    """The streams of uploads."""

    def __init__(self, store: EventStore, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics

    async def decide(self, upload: Upload, command: Command) -> None:
        """Append what ``command`` leads to. Raises UploadClosed, or what the log raises."""
        metadata = Metadata(
            correlation_id=upload.id, actor=upload.user_id, traceparent=current_traceparent()
        )
        outcome = await execute(
            self._store, stream_id("upload", upload.id), DECIDER, command, metadata
        )
        for event in outcome.events:
            name = type(event).__name__
            _log.info("upload", upload=upload.id, event_type=name)
            if name != UploadStarted.__name__:
                self._metrics.ended(upload.protocol, name)

    async def is_uploaded(self, video_id: str) -> bool:
        """Whether the log holds VideoUploaded for this video."""
        state, _ = await load(self._store, stream_id("upload", video_id), DECIDER)
        return state.status == "uploaded"
