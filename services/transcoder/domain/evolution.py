"""What each event of the transcode category changes in the state. Pure."""

import msgspec

from services.transcoder.domain.state import (
    CAPTIONS,
    IMAGES,
    SYSTEM,
    SoundTrack,
    Transcode,
    media_keys,
)
from services.transcoder.planning.object_join import relocate_tracks
from services.transcoder.planning.plan import makes_sprite, video_tasks
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
        case CaptionsExtracted():
            return msgspec.structs.replace(state, captions=event)
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
            return compacted(state, event)
        case DownloadsMade():
            return msgspec.structs.replace(state, downloads=event.files)
        case TranscodeFailed():
            return msgspec.structs.replace(state, phase="failed")
        case TranscodeCancelled():
            return msgspec.structs.replace(state, phase="cancelled")
        case TranscodeRetried():
            counted = event.requested_by == SYSTEM and state.planned is not None
            return Transcode(attempt=event.attempt, plain=event.plain, counted=counted)
        case _:
            return state


def compacted(state: Transcode, event: MediaCompacted) -> Transcode:
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
        captions=None if CAPTIONS in event.tasks else state.captions,
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
