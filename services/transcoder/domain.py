"""One video's transcode: what has been made so far, and which facts may follow. Pure.

Workers and planner may report the same thing twice, late or out of order: whatever is already
known, or belongs to an attempt that is over, changes nothing.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from services.transcoder.planning.object_join import relocate_tracks
from services.transcoder.planning.plan import h264_renditions, passthrough_rendition, video_tasks
from shared.contracts import (
    AudioEncoded,
    ChunkEncoded,
    EncodedTrack,
    Event,
    MediaCompacted,
    MediaLost,
    MediaRestored,
    Rendition,
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


# The task that makes them is named like this.
IMAGES: Final = "images"


class NotRetryable(Conflict):
    """Only a transcode that failed or was cancelled can be retried."""

    code = "job_not_retryable"


class NotCancellable(Conflict):
    """What is already over cannot be cancelled."""

    code = "job_not_cancellable"


class SoundTrack(msgspec.Struct, frozen=True):
    """What is encoded of one sound track: parts in order, and whether that is all."""

    parts: tuple[EncodedTrack, ...] = ()
    complete: bool = False

    @property
    def segments(self) -> int:
        return sum(len(part.segments) for part in self.parts)


class Transcode(msgspec.Struct, frozen=True):
    """The present attempt. ``video`` is keyed by rendition, then by chunk.

    ``repairing``: it was completed, and what was lost since is made again. ``lost`` is every key
    that was ever missed. ``replaced``: objects that have been joined to others since.
    """

    attempt: int = 1
    phase: Phase = "pending"
    planned: TranscodePlanned | None = None
    video: dict[str, dict[int, EncodedTrack]] = {}
    audio: dict[str, SoundTrack] = {}
    images: ThumbnailsCreated | None = None
    playable: VideoPlayable | None = None
    percent: float = 0.0
    repairing: bool = False
    lost: frozenset[str] = frozenset()
    replaced: frozenset[str] = frozenset()

    @property
    def open(self) -> bool:
        return self.phase in ("pending", "running")


class RecordEvent(msgspec.Struct, frozen=True):
    """A worker or the planner has made something: record it if it is news."""

    event: Event


class Retry(msgspec.Struct, frozen=True):
    """A person asks for another attempt."""

    video_id: str
    requested_by: str


class Cancel(msgspec.Struct, frozen=True):
    """A person asks to stop."""

    video_id: str
    requested_by: str


Command = RecordEvent | Retry | Cancel


def decide(state: Transcode, command: Command) -> Sequence[Event]:
    """The events that follow. Raises NotRetryable, NotCancellable."""
    if isinstance(command, Retry):
        if state.phase not in ("failed", "cancelled"):
            raise NotRetryable("Only a video that failed or was cancelled can be tried again.")
        return (
            TranscodeRetried(
                video_id=command.video_id,
                attempt=state.attempt + 1,
                requested_by=command.requested_by,
            ),
        )
    if isinstance(command, Cancel):
        if state.phase == "cancelled":
            return ()
        if not state.open or state.repairing:
            raise NotCancellable("This video is no longer being processed.")
        return (TranscodeCancelled(video_id=command.video_id, requested_by=command.requested_by),)
    return (command.event,) if _is_news(state, command.event) else ()


def _is_news(state: Transcode, event: Event) -> bool:  # noqa: PLR0911 - one rule per event
    if getattr(event, "attempt", None) != state.attempt:
        return False
    if isinstance(event, MediaLost):
        return state.phase == "completed"
    if isinstance(event, MediaCompacted):
        return state.phase == "completed" and _compacted(state, event) != state
    if not state.open:
        return False
    if isinstance(event, TranscodeFailed):
        return True
    if isinstance(event, TranscodePlanned):
        return state.planned is None
    if state.planned is None:
        return False
    if isinstance(event, ChunkEncoded):
        return any(event.chunk not in state.video.get(t.name, {}) for t in event.tracks)
    if isinstance(event, AudioEncoded):
        return _continues(state, event)
    if isinstance(event, ThumbnailsCreated):
        return state.images is None
    if isinstance(event, TranscodeProgressed):
        return event.percent > state.percent
    if isinstance(event, VideoPlayable):
        return state.playable is None
    ends = MediaRestored if state.repairing else TranscodeCompleted
    return isinstance(event, ends) and is_complete(state)


def _compacted(state: Transcode, event: MediaCompacted) -> Transcode:
    """The same segments, where they are since they were joined."""
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
    return msgspec.structs.replace(after, replaced=replaced)


def media_keys(state: Transcode) -> frozenset[str]:
    """The objects that the playlists of a complete video name."""
    tracks = [track for chunks in state.video.values() for track in chunks.values()]
    tracks += [part for sound in state.audio.values() for part in sound.parts]
    return frozenset(key for t in tracks for key in (t.init_key, t.key) if key)


def _continues(state: Transcode, event: AudioEncoded) -> bool:
    """Parts of a track follow one another; a second encode of the same sound starts over."""
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
                # The first encode stands: playlists may already point at it.
                video[track.name] = {event.chunk: track, **video.get(track.name, {})}
            return msgspec.structs.replace(state, video=video)
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
            return msgspec.structs.replace(state, phase="completed", percent=100.0, repairing=False)
        case MediaLost():
            return _without(state, event)
        case MediaCompacted():
            return _compacted(state, event)
        case TranscodeFailed():
            return msgspec.structs.replace(state, phase="failed")
        case TranscodeCancelled():
            return msgspec.structs.replace(state, phase="cancelled")
        case TranscodeRetried():
            return Transcode(attempt=event.attempt)
        case _:
            return state


def _without(state: Transcode, event: MediaLost) -> Transcode:
    """What is made again is forgotten, so that it can be told anew."""
    video = dict(state.video)
    for task in video_tasks(state.planned) if state.planned else ():
        if task.name in event.tasks:
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
        audio={name: sound for name, sound in state.audio.items() if name not in event.tasks},
        images=None if IMAGES in event.tasks else state.images,
        lost=state.lost | frozenset(event.keys),
    )


DECIDER: Decider[Transcode, Command] = Decider(initial=Transcode, decide=decide, evolve=evolve)


def audio_name(index: int) -> str:
    """The name of a source's sound track ``index`` in events, tasks and playlists."""
    return f"audio-{index}"


def early_renditions(planned: TranscodePlanned) -> tuple[Rendition, ...]:
    """What is shown while the video is being made: all of it, or the source itself alone, which is
    there long before the rest."""
    top = passthrough_rendition(planned)
    return h264_renditions(planned) if top is None else (top,)


def ready_chunks(state: Transcode) -> int:
    """How many chunks are there from the first on, counting a chunk once all that it needs is.

    The first chunk needs only the lowest rendition: until the others follow, their playlists
    show its segments too.
    """
    planned = state.planned
    if planned is None or not planned.renditions:
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
    """Whether the first segments of picture and sound are there."""
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
