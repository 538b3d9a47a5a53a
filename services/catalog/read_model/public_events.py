"""Events as the owner of a video may see them: no keys, hashes or other machinery."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from shared.contracts import (
    AudioEncoded,
    ChunkEncoded,
    Event,
    MediaCompacted,
    MediaLost,
    MediaRepairFailed,
    MediaRestored,
    ThumbnailsCreated,
    TranscodeCompleted,
    TranscodeFailed,
    TranscodePlanned,
    TranscodeProgressed,
    UploadStarted,
    VideoDeleted,
    VideoPlayable,
    VideoUploaded,
    ViewsCounted,
)

_PICTURE: Final = ("attempt", "duration_ms", "width", "height")
_FIELDS: Final[Mapping[type[Event], tuple[str, ...]]] = {
    UploadStarted: ("protocol", "title", "description", "filename", "size"),
    VideoUploaded: ("title", "description", "filename", "content_type", "size", "tags"),
    TranscodePlanned: ("attempt", "renditions"),
    ChunkEncoded: ("attempt", "chunk", "elapsed_ms", "speed"),
    AudioEncoded: ("attempt", "elapsed_ms"),
    ThumbnailsCreated: ("attempt",),
    TranscodeProgressed: ("attempt", "percent", "stage", "speed"),
    MediaCompacted: ("attempt",),
    MediaLost: ("attempt",),
    MediaRepairFailed: ("attempt", "code", "reason"),
    MediaRestored: ("attempt",),
    VideoPlayable: _PICTURE,
    TranscodeCompleted: (*_PICTURE, "renditions", "size"),
    TranscodeFailed: ("attempt", "code", "reason"),
    ViewsCounted: ("count",),
    VideoDeleted: ("deleted_by",),
}
# What stands beside every event anyway. Types without a line above show all but this.
_LEFT_OUT: Final = frozenset({"video_id", "user_id", "requested_by"})


def public_event(event: Event) -> msgspec.Raw | None:
    """The event's data for its owner's feed, as JSON. None: it is too small to be told.

    Progress and finished chunks come by the hundred; the job's own stream of events has them.
    """
    if isinstance(event, TranscodeProgressed | ChunkEncoded | AudioEncoded):
        return None
    return msgspec.Raw(msgspec.json.encode(described(event)))


def described(event: Event) -> dict[str, Any]:
    """The event's data for its owner."""
    fields = _FIELDS.get(type(event))
    if fields is None:
        fields = tuple(name for name in event.__struct_fields__ if name not in _LEFT_OUT)
    data = {name: getattr(event, name) for name in fields}
    if isinstance(event, TranscodePlanned):
        data["duration_ms"] = event.source.duration_ms
        data["chunks"] = len(event.chunks)
    return data
