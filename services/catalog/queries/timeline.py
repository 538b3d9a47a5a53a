"""A video's timeline, from its events: each step with its waiting time and duration. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from services.catalog.queries.live_story import LiveStory
from services.catalog.read_model.public_events import public_fields
from shared.contracts import (
    AudioEncoded,
    ChunkEncoded,
    Event,
    LiveDisconnected,
    LiveEnded,
    LivePosterMade,
    LivePublished,
    LiveRecorded,
    TranscodeCancelled,
    TranscodeCompleted,
    TranscodeFailed,
    TranscodePlanned,
    TranscodeProgressed,
    TranscodeRetried,
    UploadAborted,
    UploadExpired,
    UploadRejected,
    UploadStarted,
    VideoDeleted,
    VideoPlayable,
    VideoUploaded,
)
from shared.event_store.store import RecordedEvent, SequencedEvent

ENDS: Final = (
    LiveRecorded,
    TranscodeCompleted,
    TranscodeFailed,
    TranscodeCancelled,
    UploadAborted,
    UploadExpired,
    UploadRejected,
    VideoDeleted,
)
"""Events that end a job, unless it is retried."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step. ``wait_ms``: the time between its earliest possible and its actual start;
    ``duration_ms``: the time of the work; both null if the log does not have them. ``error`` is for
    people, ``detail`` is the tail of ffmpeg's stderr."""

    type: str
    at: datetime
    wait_ms: int | None = None
    duration_ms: int | None = None
    attempt: int | None = None
    tries: int | None = None
    worker: str | None = None
    error: str | None = None
    detail: str | None = None
    trace_id: str | None = None
    data: dict[str, Any]


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """All steps. ``playable_after_ms`` and ``total_ms`` count from the end of the upload."""

    video_id: str
    ended: bool
    attempts: int
    upload_ms: int | None
    playable_after_ms: int | None
    total_ms: int | None
    progress: float
    steps: list[Step]


def build_timeline(video_id: str, events: Sequence[RecordedEvent]) -> Timeline:
    """Build the timeline from the events of a video's streams, in log order.

    Progress reports are not steps; ``progress`` is the highest of them.
    """
    builder = _TimelineBuilder()
    for recorded in events:
        builder.add(recorded)
    return Timeline(
        video_id=video_id,
        ended=has_ended(events),
        attempts=builder.attempts,
        upload_ms=_milliseconds(builder.started, builder.uploaded),
        playable_after_ms=_milliseconds(builder.uploaded, builder.playable),
        total_ms=_milliseconds(builder.uploaded, builder.completed),
        progress=builder.progress,
        steps=builder.steps,
    )


def has_ended(events: Sequence[RecordedEvent]) -> bool:
    """Whether a job has ended after these events."""
    ended = False
    for recorded in events:
        ended = ended_after(recorded, ended)
    return ended


def ended_after(recorded: RecordedEvent, ended: bool) -> bool:
    """Whether a job has ended after this event, which had ``ended`` before it."""
    if isinstance(recorded.data, ENDS):
        return True
    return ended and not isinstance(recorded.data, TranscodeRetried | VideoUploaded)


def in_order(streams: Sequence[Sequence[RecordedEvent]]) -> list[RecordedEvent]:
    """The events of several streams in one list, ordered by their position in the log.

    Events without a position come last, ordered by time. A stream keeps its own order.
    """
    return sorted((event for stream in streams for event in stream), key=_sort_key)


def _sort_key(event: RecordedEvent) -> tuple[bool, float]:
    if isinstance(event, SequencedEvent):
        return False, event.position
    return True, event.recorded_at.timestamp()


class _TimelineBuilder:
    def __init__(self) -> None:
        self.started: datetime | None = None
        self.uploaded: datetime | None = None
        self.playable: datetime | None = None
        self.completed: datetime | None = None
        self.progress = 0.0
        self.attempts = 0
        self.steps: list[Step] = []
        self._has_poster = False
        self._session = LiveStory()
        # The earliest possible start of the next work.
        self._ready: datetime | None = None

    def add(self, recorded: RecordedEvent) -> None:
        event, at = recorded.data, recorded.recorded_at
        self.attempts = max(self.attempts, getattr(event, "attempt", 0))
        if isinstance(event, TranscodeProgressed):
            self.progress = max(self.progress, min(event.percent, 100.0))
            return
        told = self._session.told(event)
        if isinstance(event, LivePublished) and self.playable is not None and not told:
            # Every eight seconds another one.
            return
        if isinstance(event, LivePosterMade):
            # Every minute another one.
            if self._has_poster:
                return
            self._has_poster = True
        wait, duration = self._times(event, at)
        self._record_milestone(event, at)
        self.steps.append(
            Step(
                type=recorded.type,
                at=at,
                wait_ms=wait,
                duration_ms=duration,
                attempt=getattr(event, "attempt", None),
                tries=getattr(event, "try_number", None),
                worker=getattr(event, "worker", None),
                error=_error_of(event),
                detail=event.detail if isinstance(event, TranscodeFailed) else None,
                trace_id=trace_id(recorded.metadata.traceparent),
                data=public_fields(event) | told,
            )
        )

    def _times(self, event: Event, at: datetime) -> tuple[int | None, int | None]:
        """How long a step waited and how long it took."""
        if isinstance(event, ChunkEncoded | AudioEncoded):
            began = at - timedelta(milliseconds=event.elapsed_ms)
            return _milliseconds(self._ready, began), event.elapsed_ms
        if isinstance(event, VideoUploaded):
            return None, _milliseconds(self.started, at)
        if isinstance(event, TranscodePlanned):
            return _milliseconds(self._ready, at), None
        return None, None

    def _record_milestone(self, event: Event, at: datetime) -> None:
        match event:
            case UploadStarted():
                self.started = at
            case VideoUploaded():
                self.uploaded = self._ready = at
            case TranscodePlanned():
                self._ready = at
            case TranscodeRetried():
                self.playable = self.completed = None
                self.progress = 0.0
                self._ready = at
            case VideoPlayable() | LivePublished() if self.playable is None:
                self.playable = at
            case LiveRecorded():
                self.completed = at
                self.progress = 100.0
            case TranscodeCompleted():
                self.completed = at
                self.playable = self.playable or at
                self.progress = 100.0
            case _:
                return


def _error_of(event: Event) -> str | None:
    """What went wrong, in a sentence. A publisher that leaves, or a session that ends, is none."""
    if isinstance(event, LiveDisconnected | LiveEnded):
        return None
    return getattr(event, "reason", None) or None


def trace_id(traceparent: str | None) -> str | None:
    """The trace's id in a ``traceparent`` (W3C Trace Context)."""
    parts = traceparent.split("-") if traceparent else []
    return parts[1] if len(parts) >= 4 and len(parts[1]) == 32 else None


def _milliseconds(start: datetime | None, end: datetime | None) -> int | None:
    """Never negative: the clocks of two machines may differ a little."""
    if start is None or end is None:
        return None
    return max(0, round((end - start) / timedelta(milliseconds=1)))
