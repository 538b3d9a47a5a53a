"""Commands on a transcode: load, decide, append. What they record is counted."""

from prometheus_client import CollectorRegistry, Counter

from services.transcoder.domain.decisions import DECIDER, Cancel, RecordEvent, Retry
from services.transcoder.domain.state import SYSTEM, Transcode
from shared.contracts import (
    SHOWN_TO_OTHERS,
    Event,
    HdrWish,
    LiveClipMade,
    LiveConnected,
    TranscodeCompleted,
    TranscodeFailed,
    TranscodePlanned,
    TranscodeRetried,
    VideoBinned,
    VideoDeleted,
    VideoRestored,
    VideoUploaded,
    Visibility,
    VisibilityChanged,
    stream_id,
)
from shared.event_store.decider import Outcome, execute, load
from shared.event_store.store import EventStore, Metadata, Unreadable
from shared.telemetry import current_traceparent, get_logger

_log = get_logger(__name__)


async def record(
    store: EventStore, video_id: str, event: Event, correlation_id: str | None
) -> Outcome[Transcode]:
    """Append ``event`` to the video's stream if it changes the state."""
    metadata = Metadata(correlation_id=correlation_id, traceparent=current_traceparent())
    return await execute(
        store, stream_id("transcode", video_id), DECIDER, RecordEvent(event), metadata
    )


async def state_of(store: EventStore, video_id: str) -> Transcode:
    """The state of the current attempt."""
    state, _version = await load_state(store, video_id)
    return state


async def load_state(store: EventStore, video_id: str) -> tuple[Transcode, int]:
    """The state of the current attempt, and the version of the stream."""
    return await load(store, stream_id("transcode", video_id), DECIDER)


async def is_deleted(store: EventStore, video_id: str) -> bool:
    """Whether the log has the video's deletion. The tables may not have it yet."""
    events = await store.read_stream(stream_id("video", video_id))
    return any(isinstance(recorded.data, VideoDeleted) for recorded in events)


async def is_gone(store: EventStore, video_id: str) -> bool:
    """Whether the video is deleted or in the bin, where its owner does nothing but restore it."""
    gone = False
    for recorded in await store.read_stream(stream_id("video", video_id)):
        match recorded.data:
            case VideoDeleted():
                return True
            case VideoBinned():
                gone = True
            case VideoRestored():
                gone = False
            case _:
                pass
    return gone


async def is_shown_to_others(store: EventStore, video_id: str) -> bool:
    """Whether anybody but its owner may know of the video, by the log.

    A video with events of a newer version counts as hidden.
    """
    names = [stream_id(kind, video_id) for kind in ("upload", "livesession", "video")]
    streams = await store.read_streams(names)
    visibility: Visibility | None = None
    binned = False
    for recorded in (event for name in names for event in streams[name]):
        match recorded.data:
            case (VideoUploaded() | LiveConnected() | LiveClipMade() | VisibilityChanged()) as said:
                visibility = said.visibility
            case VideoBinned() | VideoRestored():
                binned = isinstance(recorded.data, VideoBinned)
            case VideoDeleted() | Unreadable():
                return False
            case _:
                pass
    return visibility in SHOWN_TO_OTHERS and not binned


async def hdr_wish(store: EventStore, video_id: str) -> HdrWish | None:
    """What the uploader wants of the source's HDR; None where they leave it to the installation."""
    for recorded in await store.read_stream(stream_id("upload", video_id)):
        if isinstance(recorded.data, VideoUploaded):
            return recorded.data.hdr
    return None


async def planned_ms(store: EventStore, video_id: str) -> int:
    """The length of the source as it was planned last, in milliseconds; 0 if it never was."""
    events = await store.read_stream(stream_id("transcode", video_id))
    plans = [e.data for e in events if isinstance(e.data, TranscodePlanned)]
    return plans[-1].source.duration_ms if plans else 0


async def retry(store: EventStore, video_id: str, user_id: str) -> int:
    """Begin another attempt; returns its number. Raises NotRetryable."""
    outcome = await _command(store, video_id, Retry(video_id, user_id), user_id)
    return outcome.state.attempt


async def cancel(store: EventStore, video_id: str, user_id: str) -> None:
    """Cancel the current attempt, unless it is cancelled already. Raises NotCancellable."""
    await _command(store, video_id, Cancel(video_id, user_id), user_id)


async def _command(
    store: EventStore, video_id: str, command: Retry | Cancel, user_id: str
) -> Outcome[Transcode]:
    metadata = Metadata(correlation_id=video_id, actor=user_id, traceparent=current_traceparent())
    return await execute(store, stream_id("transcode", video_id), DECIDER, command, metadata)


class AttemptMetrics:
    """Counters of plain attempts, for whoever records that they begin or end."""

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
