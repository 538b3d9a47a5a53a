"""Decisions on uploads, appended to their streams."""

from collections.abc import Sequence
from typing import Final

from services.ingest import domain
from services.ingest.domain import Command
from services.ingest.ports import Metrics, Upload
from shared.contracts import (
    DefaultVisibilityChanged,
    UploadStarted,
    UserDeleted,
    VideoDeleted,
    Visibility,
    stream_id,
)
from shared.event_store.decider import Decider, execute, fold
from shared.event_store.store import EventStore, Metadata, RecordedEvent, UnreadableStream
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

    async def uploaded(self, video_ids: Sequence[str]) -> dict[str, bool | UnreadableStream]:
        """For each of these videos, whether the log holds VideoUploaded, if it can be read."""
        streams = await self._store.read_streams([stream_id("upload", each) for each in video_ids])
        return {each: _is_uploaded(streams[stream_id("upload", each)]) for each in video_ids}

    async def default_visibility(self, user_id: str) -> Visibility:
        """What the account says that its uploads are, by the log: a projection would be late.

        An event that a newer version has written counts as private.
        """
        stream = stream_id("user", user_id)
        visibility: Visibility = "public"
        for event in (await self._store.read_streams([stream]))[stream]:
            if isinstance(event.data, DefaultVisibilityChanged):
                visibility = event.data.visibility
            elif event.type == DefaultVisibilityChanged.__name__:
                visibility = "private"
        return visibility

    async def is_account_deleted(self, user_id: str) -> bool:
        """Whether the log has the account's deletion."""
        stream = stream_id("user", user_id)
        events = (await self._store.read_streams([stream]))[stream]
        return any(isinstance(event.data, UserDeleted) for event in events)

    async def deleted(self, video_ids: Sequence[str]) -> set[str]:
        """Which of these videos the log has deleted. Raises UnreadableStream."""
        names = {each: stream_id("video", each) for each in video_ids}
        streams = await self._store.read_streams([*names.values()])
        return {each for each, name in names.items() if _is_deleted(streams[name])}


def _is_deleted(events: Sequence[RecordedEvent]) -> bool:
    return any(isinstance(event.data, VideoDeleted) for event in events)


def _is_uploaded(events: Sequence[RecordedEvent]) -> bool | UnreadableStream:
    try:
        state, _ = fold(events, DECIDER)
    except UnreadableStream as error:
        return error
    return state.status == "uploaded"
