"""One video's transcode: what has been made so far, and which events may follow. Pure.

Workers and coordinator may report a result twice, late or out of order. A result that is known
already, or that belongs to an attempt that has ended, changes nothing.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from services.transcoder.planning.media_errors import needs_plain
from services.transcoder.planning.object_join import relocate_tracks
from services.transcoder.planning.plan import (
    h264_renditions,
    makes_sprite,
    passthrough_rendition,
    video_tasks,
)
from shared.contracts import (
    AudioEncoded,
    ChunkEncoded,
    EncodedTrack,
    Event,
    MediaCompacted,
    MediaLost,
    MediaRepairFailed,
    MediaRestored,
    Rendition,
    StoredObject,
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

Phase = Literal["pending", "running", "completed", "failed", "cancelled"]

# The name of the images task.
IMAGES: Final = "images"
# Who requested an attempt that no person did.
SYSTEM: Final = "system"


class NotRetryable(Conflict):
    """The transcode neither failed nor was cancelled."""

    code = "job_not_retryable"


class NotCancellable(Conflict):
    """The transcode has ended already."""

    code = "job_not_cancellable"


class SoundTrack(msgspec.Struct, frozen=True):
    """The encoded parts of one sound track, in order, and whether they are complete."""

    parts: tuple[EncodedTrack, ...] = ()
    complete: bool = False

    @property
    def segments(self) -> int:
        return sum(len(part.segments) for part in self.parts)


class Transcode(msgspec.Struct, frozen=True):
    """The current attempt. ``video`` is keyed by rendition, then by chunk.

    ``repairing``: the video was completed, and lost objects are being made again;
    ``before_repair`` is the state that it returns to if that fails. ``lost``: every key that has
    ever been missing. ``unrepairable``: those that could not be restored. ``replaced``: objects
    that compaction has joined into others. ``sprites`` is keyed by chunk. ``playlists``: those of
    the complete video. ``plain``: this attempt decodes the whole source first. ``counted``: an
    earlier attempt's plan has been counted, and this one was not asked for.
    """

    attempt: int = 1
    phase: Phase = "pending"
    planned: TranscodePlanned | None = None
    video: dict[str, dict[int, EncodedTrack]] = {}
    audio: dict[str, SoundTrack] = {}
    images: ThumbnailsCreated | None = None
    sprites: dict[int, StoredObject] = {}
    playlists: tuple[StoredObject, ...] = ()
    playable: VideoPlayable | None = None
    percent: float = 0.0
    repairing: bool = False
    lost: frozenset[str] = frozenset()
    unrepairable: frozenset[str] = frozenset()
    before_repair: "Transcode | None" = None
    replaced: frozenset[str] = frozenset()
    plain: bool = False
    counted: bool = False

    @property
    def open(self) -> bool:
        return self.phase in ("pending", "running")


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
        return state.phase == "completed" and _moves(state, _compacted(state, event))
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
    if isinstance(event, VideoPlayable):
        return state.playable is None
    ends = MediaRestored if state.repairing else TranscodeCompleted
    return isinstance(event, ends) and is_complete(state)


def _moves(before: Transcode, after: Transcode) -> bool:
    """Whether segments are in other objects than before."""
    return (after.video, after.audio) != (before.video, before.audio)


def _compacted(state: Transcode, event: MediaCompacted) -> Transcode:
    """The state after compaction: the same segments, in the joined objects."""
    keys = {each.track: each.key for each in event.objects}
    video = {
        name: dict(
            zip(sorted(c), relocate_tracks([c[i] for i in sorted(c)], keys.get(name)), strict=True)
        )
        for name, c in state.video.items()
    }
    audio = {
        name: SoundTrack(relocate_tracks(sound.parts, keys.get(name)), sound.complete)
        for name, sound in state.audio.items()
    }
    after = msgspec.structs.replace(state, video=video, audio=audio)
    replaced = (state.replaced | media_keys(state)) - media_keys(after)
    return msgspec.structs.replace(after, replaced=replaced, playlists=event.playlists)


def media_keys(state: Transcode) -> frozenset[str]:
    """The keys of all segments and init segments."""
    tracks = [track for chunks in state.video.values() for track in chunks.values()]
    tracks += [part for sound in state.audio.values() for part in sound.parts]
    return frozenset(key for t in tracks for key in (t.init_key, t.key) if key)


def _continues(state: Transcode, event: AudioEncoded) -> bool:
    """Whether the parts continue their tracks; those of a second encode do not."""
    for track in event.tracks:
        known = state.audio.get(track.name, SoundTrack())
        first = track.segments[0].index if track.segments else known.segments
        if known.complete or first != known.segments:
            return False
    return True


def evolve(state: Transcode, event: Event) -> Transcode:  # noqa: PLR0911, PLR0912 - one case per event
    """The state after an event of the transcode category."""
    match event:
        case TranscodePlanned():
            return msgspec.structs.replace(state, phase="running", planned=event)
        case ChunkEncoded():
            video = dict(state.video)
            for track in event.tracks:
                # The first encode counts: playlists may refer to it already.
                video[track.name] = {event.chunk: track, **video.get(track.name, {})}
            made = {event.chunk: event.sprite} if event.sprite else {}
            return msgspec.structs.replace(state, video=video, sprites=state.sprites | made)
        case AudioEncoded():
            audio = dict(state.audio)
            for track in event.tracks:
                known = audio.get(track.name, SoundTrack())
                parts = (*known.parts, track) if track.segments else known.parts
                audio[track.name] = SoundTrack(parts, event.complete)
            return msgspec.structs.replace(state, audio=audio)
        case ThumbnailsCreated():
            return msgspec.structs.replace(state, images=event)
        case TranscodeProgressed():
            return msgspec.structs.replace(state, percent=max(state.percent, event.percent))
        case VideoPlayable():
            return msgspec.structs.replace(state, playable=event)
        case TranscodeCompleted() | MediaRestored():
            return msgspec.structs.replace(
                state,
                phase="completed",
                percent=100.0,
                playlists=event.playlists,
                repairing=False,
                before_repair=None,
            )
        case MediaLost():
            return _without(state, event)
        case MediaRepairFailed():
            return _unrepaired(state)
        case MediaCompacted():
            return _compacted(state, event)
        case TranscodeFailed():
            return msgspec.structs.replace(state, phase="failed")
        case TranscodeCancelled():
            return msgspec.structs.replace(state, phase="cancelled")
        case TranscodeRetried():
            counted = event.requested_by == SYSTEM and state.planned is not None
            return Transcode(attempt=event.attempt, plain=event.plain, counted=counted)
        case _:
            return state


def _without(state: Transcode, event: MediaLost) -> Transcode:
    """The state without the results that are made again, so that they can be recorded again."""
    video, sprites = dict(state.video), dict(state.sprites)
    for task in video_tasks(state.planned) if state.planned else ():
        if task.name in event.tasks:
            if makes_sprite(state.planned, task):
                sprites.pop(task.chunk, None)
            for name in task.renditions:
                video[name] = {
                    chunk: track
                    for chunk, track in video.get(name, {}).items()
                    if chunk != task.chunk
                }
    return msgspec.structs.replace(
        state,
        phase="running",
        repairing=True,
        video=video,
        sprites=sprites,
        audio={name: sound for name, sound in state.audio.items() if name not in event.tasks},
        images=None if IMAGES in event.tasks else state.images,
        lost=state.lost | frozenset(event.keys),
        before_repair=state,
    )


def _unrepaired(state: Transcode) -> Transcode:
    """The video as it was before the repair. What is missing is not asked for again.

    Objects that were made again meanwhile have the names that they had, because names follow from
    content: they are there again.
    """
    before = state.before_repair
    if before is None:
        return state
    return msgspec.structs.replace(
        before, lost=state.lost, unrepairable=before.unrepairable | (state.lost - before.lost)
    )


DECIDER: Decider[Transcode, Command] = Decider(initial=Transcode, decide=decide, evolve=evolve)


def audio_name(index: int) -> str:
    """The name of sound track ``index`` in events, tasks and playlists."""
    return f"audio-{index}"


def early_renditions(planned: TranscodePlanned) -> tuple[Rendition, ...]:
    """The renditions that players get while the video is being made.

    These are all H.264 renditions, or the passthrough rendition alone, which is made long before
    the others.
    """
    top = passthrough_rendition(planned)
    return h264_renditions(planned) if top is None else (top,)


def ready_chunks(state: Transcode) -> int:
    """How many chunks from the first on are ready in all early renditions.

    The first chunk needs the lowest rendition only, because all early playlists begin with it.
    """
    planned = state.planned
    if planned is None:
        return 0
    names = [rendition.name for rendition in early_renditions(planned)]
    ready = 0
    for chunk in planned.chunks:
        needed = names[-1:] if chunk.index == 0 else names
        if not all(chunk.index in state.video.get(name, {}) for name in needed):
            break
        ready += 1
    return ready


def is_playable(state: Transcode) -> bool:
    """Whether the first segments of video and sound have been made."""
    planned = state.planned
    if planned is None:
        return False
    has_picture = not planned.renditions or ready_chunks(state) > 0
    return has_picture and all(
        _sound(state, track.index).segments > 0 or _sound(state, track.index).complete
        for track in planned.audio
    )


def is_complete(state: Transcode) -> bool:
    """Whether everything that was planned has been made."""
    planned = state.planned
    if planned is None or state.images is None:
        return False
    every_chunk = all(
        chunk.index in state.video.get(rendition.name, {})
        for chunk in planned.chunks
        for rendition in planned.renditions
    )
    return every_chunk and all(_sound(state, track.index).complete for track in planned.audio)


def _sound(state: Transcode, index: int) -> SoundTrack:
    return state.audio.get(audio_name(index), SoundTrack())
