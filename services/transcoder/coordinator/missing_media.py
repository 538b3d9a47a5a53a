"""Which objects of a video should exist, and which tasks make missing ones again. Pure."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from services.transcoder.coordinator.media_objects import required, sprites
from services.transcoder.domain.state import CAPTIONS, IMAGES, SoundTrack, Transcode, audio_name
from services.transcoder.object_keys import sprite_key
from services.transcoder.planning.plan import makes_sprite, video_tasks
from shared.contracts import EncodedTrack, MediaLost, StoredObject


def expected_keys(video_id: str, state: Transcode) -> set[str]:
    """The keys that the bucket should hold for a completed video.

    A sprite that was missing before is not expected again: the encoder may not be able to make it.
    """
    made = {each.key for each in (*state.playlists, *state.sprites.values())}
    made |= {each.index.key for each in state.downloads}
    return required(video_id, state) | made | (sprites(state) - state.lost)


def expected_sizes(state: Transcode) -> dict[str, int]:
    """The sizes in bytes of a completed video's objects, by key, where the log states them."""
    tracks = [track for chunks in state.video.values() for track in chunks.values()]
    tracks += [part for sound in state.audio.values() for part in sound.parts]
    sizes = {track.init_key: track.init_size for track in tracks if track.init_size}
    ends: dict[str, int] = {}
    for track in tracks:
        for segment in track.segments if track.key is not None else ():
            # A compacted track is one object, which ends with its last segment.
            end = segment.offset + segment.size
            ends[track.key or ""] = max(ends.get(track.key or "", 0), end)
    return sizes | ends | {each.key: each.size for each in stated_objects(state)}


def stated_objects(state: Transcode) -> tuple[StoredObject, ...]:
    """The playlists, images and indices of downloads of which the log states size and hash."""
    images = state.images.objects if state.images else ()
    indices = (each.index for each in state.downloads)
    return (*state.playlists, *state.sprites.values(), *images, *indices)


def has_size(size: int, expected: int | None) -> bool:
    """Whether an object has its expected size. No object of a video is empty."""
    return size > 0 if expected is None else size == expected


def media_lost(video_id: str, state: Transcode, missing: AbstractSet[str]) -> MediaLost | None:
    """The event for missing keys; None where none of them is expected and can be restored."""
    keys = (missing & expected_keys(video_id, state)) - state.unrepairable
    if state.phase != "completed" or not keys:
        return None
    return MediaLost(
        video_id=video_id,
        attempt=state.attempt,
        keys=tuple(sorted(keys)),
        tasks=tuple(_repair_tasks(state, keys)),
    )


def unfinished_tasks(state: Transcode) -> list[str]:
    """The names of the tasks that an open transcode still needs."""
    planned = state.planned
    if planned is None:
        return ["plan"]
    names = [
        task.name
        for task in video_tasks(planned)
        if not all(task.chunk in state.video.get(name, {}) for name in task.renditions)
    ]
    for track in planned.audio:
        name = audio_name(track.index)
        if not state.audio.get(name, SoundTrack()).complete:
            names.append(name)
    if planned.source.texts and state.captions is None:
        names.append(CAPTIONS)
    return names if state.images else [*names, IMAGES]


def _repair_tasks(state: Transcode, missing: AbstractSet[str]) -> list[str]:
    planned = state.planned
    if planned is None:
        return []
    names: list[str] = []
    # All chunks of a rendition share one init segment: one task makes it again.
    inits = set[str]()
    for task in video_tasks(planned):
        tracks = [state.video[name][task.chunk] for name in task.renditions]
        starts = {track.init_key for track in tracks} & missing - inits
        inits |= starts
        sprite = makes_sprite(planned, task) and sprite_key(planned.prefix, task.chunk) in missing
        if starts or sprite or _any(tracks, missing):
            names.append(task.name)
    for track in planned.audio:
        name = audio_name(track.index)
        parts = state.audio.get(name, SoundTrack()).parts
        if _any(parts, missing) or any(part.init_key in missing for part in parts):
            names.append(name)
    images = state.images
    if images and missing & {images.poster_key, images.storyboard_key, images.preview_key}:
        names.append(IMAGES)
    return names


def _any(tracks: Iterable[EncodedTrack], missing: AbstractSet[str]) -> bool:
    return any(track.key in missing for track in tracks)
