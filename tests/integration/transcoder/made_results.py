"""What a worker makes of a task, without encoding: its objects and its event."""

from typing import TypeVar

import msgspec

from services.transcoder.object_keys import sprite_key
from services.transcoder.scheduler.leases import ClaimedTask
from shared.contracts import (
    AudioEncoded,
    ChunkEncoded,
    EncodedTrack,
    Event,
)
from tests.unit.transcoder.facts_about import IMAGES, audio_encoded, chunk_encoded, plan

# Three video tasks in two chunks, sound, images.
PLAN = plan(8.0)

_SOUND = audio_encoded(0, 1, complete=True)

E = TypeVar("E", bound=Event)


def result(task: ClaimedTask) -> tuple[dict[str, int], Event]:
    """The sizes in bytes of the objects that the task stores, by key, and its event."""
    match task.kind:
        case "plan":
            return {}, _of(task, PLAN)
        case "images":
            images = _of(task, IMAGES)
            return {images.poster_key: 100}, images
        case "audio":
            sound = _of(task, _SOUND)
            return _objects(sound), sound
        case _:
            renditions = task.spec["renditions"]
            encoded = _of(task, chunk_encoded(PLAN, task.spec["chunk"], *renditions))
            objects = _objects(encoded)
            if PLAN.renditions[-1].name in renditions:
                prefix = _of(task, PLAN).prefix
                objects[sprite_key(prefix, task.spec["chunk"])] = 100
            return objects, encoded


def _of(task: ClaimedTask, event: E) -> E:
    """The event of the facts' video ``v``, as one of the task's video and attempt."""
    prefix = f"{task.video_id}/a{task.attempt}"
    text = msgspec.json.encode(event).decode()
    text = text.replace('"v/a1/', f'"{prefix}/').replace('"v/a1"', f'"{prefix}"')
    fields = msgspec.json.decode(text) | {"video_id": task.video_id, "attempt": task.attempt}
    return msgspec.convert(fields, type(event))


def _objects(event: ChunkEncoded | AudioEncoded) -> dict[str, int]:
    return {key: size for track in event.tracks for key, size in _sizes(track).items()}


def _sizes(track: EncodedTrack) -> dict[str, int]:
    media = sum(segment.size for segment in track.segments)
    return {track.init_key: track.init_size or 1, track.key or "": media}
