"""Which events follow from a command for one video's transcode. Pure.

Workers and coordinator may report a result twice, late or out of order. A result that is known
already, or that belongs to an attempt that has ended, changes nothing.
"""

from collections.abc import Sequence

import msgspec

from services.transcoder.domain.evolution import compacted, evolve
from services.transcoder.domain.state import SYSTEM, SoundTrack, Transcode, is_complete
from services.transcoder.planning.media_errors import needs_plain
from shared.contracts import (
    AudioEncoded,
    CaptionsExtracted,
    ChunkEncoded,
    DownloadsMade,
    Event,
    MediaCompacted,
    MediaLost,
    MediaRepairFailed,
    MediaRestored,
    ThumbnailsCreated,
    TranscodeCancelled,
    TranscodeCompleted,
    TranscodeFailed,
    TranscodePlanned,
    TranscodeProgressed,
    TranscodeRetried,
    VideoPlayable,
)
from shared.errors import Conflict
from shared.event_store.decider import Decider


class NotRetryable(Conflict):
    """The transcode neither failed nor was cancelled."""

    code = "job_not_retryable"


class NotCancellable(Conflict):
    """The transcode has ended already."""

    code = "job_not_cancellable"


class RecordEvent(msgspec.Struct, frozen=True):
    """A worker or the coordinator reports a result; it is recorded if it changes the state."""

    event: Event


class Retry(msgspec.Struct, frozen=True):
    """A person requests another attempt."""

    video_id: str
    requested_by: str


class Cancel(msgspec.Struct, frozen=True):
    """A person requests to cancel."""

    video_id: str
    requested_by: str


Command = RecordEvent | Retry | Cancel


def decide(state: Transcode, command: Command) -> Sequence[Event]:
    """The events that follow from a command. Raises NotRetryable, NotCancellable."""
    if isinstance(command, Retry):
        if state.phase not in ("failed", "cancelled"):
            raise NotRetryable("Only a video that failed or was cancelled can be tried again.")
        return (
            TranscodeRetried(
                video_id=command.video_id,
                attempt=state.attempt + 1,
                requested_by=command.requested_by,
                plain=state.plain,
            ),
        )
    if isinstance(command, Cancel):
        if state.phase == "cancelled":
            return ()
        if not state.open or state.repairing:
            raise NotCancellable("This video is no longer being processed.")
        return (TranscodeCancelled(video_id=command.video_id, requested_by=command.requested_by),)
    event = command.event
    if isinstance(event, TranscodeFailed) and state.repairing:
        event = _failed_repair(event)
    if not _changes(state, event):
        return ()
    if isinstance(event, TranscodeFailed):
        return (_plain_attempt(state, event) or event,)
    return (event,)


def _plain_attempt(state: Transcode, event: TranscodeFailed) -> TranscodeRetried | None:
    """The attempt that follows by itself, once, a failure that may lie in reading in parts."""
    if state.plain or not needs_plain(event.code, planned=state.planned is not None):
        return None
    return TranscodeRetried(
        video_id=event.video_id,
        attempt=event.attempt + 1,
        requested_by=SYSTEM,
        plain=True,
        code=event.code,
    )


def _failed_repair(event: TranscodeFailed) -> MediaRepairFailed:
    """A repair that fails ends the repair, never the video that it was for."""
    return MediaRepairFailed(
        video_id=event.video_id,
        attempt=event.attempt,
        code=event.code,
        reason=event.reason,
        detail=event.detail,
    )


def _changes(state: Transcode, event: Event) -> bool:  # noqa: PLR0911, PLR0912 - one rule per event
    if getattr(event, "attempt", None) != state.attempt:
        return False
    if isinstance(event, MediaLost):
        return state.phase == "completed"
    if isinstance(event, MediaCompacted):
        return state.phase == "completed" and _moves(state, event)
    if isinstance(event, DownloadsMade):
        return state.phase == "completed" and event.files != state.downloads
    if not state.open:
        return False
    if isinstance(event, TranscodeFailed):
        return not state.repairing
    if isinstance(event, MediaRepairFailed):
        return state.repairing
    if isinstance(event, TranscodePlanned):
        return state.planned is None
    if isinstance(event, TranscodeProgressed):
        return event.percent > state.percent and (state.plain or state.planned is not None)
    if state.planned is None:
        return False
    if isinstance(event, ChunkEncoded):
        return any(event.chunk not in state.video.get(t.name, {}) for t in event.tracks)
    if isinstance(event, AudioEncoded):
        return _continues(state, event)
    if isinstance(event, ThumbnailsCreated):
        return state.images is None
    if isinstance(event, CaptionsExtracted):
        return state.captions is None
    if isinstance(event, VideoPlayable):
        return state.playable is None
    ends = MediaRestored if state.repairing else TranscodeCompleted
    return isinstance(event, ends) and is_complete(state)


def _moves(state: Transcode, event: MediaCompacted) -> bool:
    """Whether segments are in other objects afterwards, and each object has its whole track.

    An object that was joined of what a repair has replaced meanwhile has nothing of this video.
    """
    after = compacted(state, event)
    holders = {name: [t.key for t in chunks.values()] for name, chunks in after.video.items()}
    holders |= {name: [part.key for part in sound.parts] for name, sound in after.audio.items()}
    fits = all(set(holders.get(each.track, ())) == {each.key} for each in event.objects)
    return fits and (after.video, after.audio) != (state.video, state.audio)


def _continues(state: Transcode, event: AudioEncoded) -> bool:
    """Whether the parts continue their tracks; those of a second encode do not."""
    for track in event.tracks:
        known = state.audio.get(track.name, SoundTrack())
        first = track.segments[0].index if track.segments else known.segments
        if known.complete or first != known.segments:
            return False
    return True


DECIDER: Decider[Transcode, Command] = Decider(initial=Transcode, decide=decide, evolve=evolve)
