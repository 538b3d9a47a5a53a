"""The public fields of events: what the owner of a video or account sees of them.

``FIELDS`` declares each field of each event as public or private. Keys of objects, hashes and names
of machines are private. So are the ids of video and user, because the API returns them beside the
event's data.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from shared import contracts as c


class Fields(NamedTuple):
    """The names of a struct's public and private fields; together they are all its fields."""

    public: tuple[str, ...] = ()
    private: tuple[str, ...] = ()


_VIDEO: Final = ("video_id",)
_OWNED: Final = ("video_id", "user_id")
_PICTURE: Final = ("attempt", "duration_ms", "width", "height")
_LIVE_SETTINGS: Final = (
    *("title", "description", "visibility", "latency", "record", "reconnect_seconds", "chat"),
)
_SCHEDULE: Final = ("live_id", "planned_id", "scheduled_at", "title", "description", "visibility")
_PLAYLISTS: Final = ("playlist_key", "dash_key")

FIELDS: Final[Mapping[type[msgspec.Struct], Fields]] = {
    c.UserRegistered: Fields(public=("username",), private=("user_id",)),
    c.EmailChanged: Fields(private=("user_id",)),
    c.PasswordChanged: Fields(private=("user_id",)),
    c.DefaultVisibilityChanged: Fields(public=("visibility",), private=("user_id",)),
    c.SessionRevoked: Fields(public=("session_id", "reason"), private=("user_id",)),
    c.UserDeleted: Fields(private=("user_id",)),
    c.UploadStarted: Fields(
        public=("protocol", "title", "description", "filename", "size", "visibility"),
        private=_OWNED,
    ),
    c.VideoUploaded: Fields(
        public=(
            *("title", "description", "filename", "content_type", "size", "tags"),
            *("visibility", "publish_at", "hdr", "downloads"),
        ),
        private=(*_OWNED, "source_key", "sha256"),
    ),
    c.UploadExpired: Fields(private=_OWNED),
    c.UploadAborted: Fields(public=("reason",), private=_OWNED),
    c.UploadRejected: Fields(public=("code", "reason"), private=_OWNED),
    c.TranscodePlanned: Fields(
        public=("attempt", "renditions"),
        private=(
            *_OWNED,
            *("prefix", "source", "chunks", "audio", "segment_ms", "encoder", "worker"),
            *("borders", "picture_delay_us", "remuxed_key", "plain", "counted", "picture_key"),
        ),
    ),
    c.TranscodeProgressed: Fields(
        public=("attempt", "percent", "stage", "speed"), private=(*_VIDEO, "worker")
    ),
    c.ChunkEncoded: Fields(
        public=("attempt", "chunk", "elapsed_ms", "speed"),
        private=(*_VIDEO, "tracks", "worker", "try_number", "sprite"),
    ),
    c.AudioEncoded: Fields(
        public=("attempt", "elapsed_ms"),
        private=(*_VIDEO, "tracks", "worker", "try_number", "complete"),
    ),
    c.ThumbnailsCreated: Fields(
        public=("attempt",),
        private=(*_VIDEO, "poster_key", "storyboard_key", "preview_key", "worker", "objects"),
    ),
    c.VideoPlayable: Fields(public=_PICTURE, private=(*_VIDEO, *_PLAYLISTS)),
    c.TranscodeCompleted: Fields(
        public=(*_PICTURE, "renditions", "size"), private=(*_VIDEO, *_PLAYLISTS, "playlists")
    ),
    c.TranscodeFailed: Fields(
        public=("attempt", "code", "reason"), private=(*_VIDEO, "detail", "worker")
    ),
    c.TranscodeRetried: Fields(
        public=("attempt", "plain"), private=(*_VIDEO, "requested_by", "code")
    ),
    c.TranscodeCancelled: Fields(private=(*_VIDEO, "requested_by")),
    c.MediaLost: Fields(public=("attempt",), private=(*_VIDEO, "keys", "tasks")),
    c.MediaRestored: Fields(public=("attempt",), private=(*_VIDEO, "playlists")),
    c.MediaRepairFailed: Fields(public=("attempt", "code", "reason"), private=(*_VIDEO, "detail")),
    c.MediaCompacted: Fields(
        public=("attempt",), private=(*_VIDEO, "objects", "keep_seconds", "playlists")
    ),
    c.CaptionsExtracted: Fields(public=("attempt", "notes"), private=(*_VIDEO, "tracks", "worker")),
    c.DownloadsMade: Fields(public=("attempt",), private=(*_VIDEO, "files")),
    c.LiveStreamCreated: Fields(public=("live_id", *_LIVE_SETTINGS), private=("user_id",)),
    c.LiveStreamChanged: Fields(public=("live_id", *_LIVE_SETTINGS), private=("user_id",)),
    c.StreamKeyRotated: Fields(public=("live_id",), private=("user_id",)),
    c.LiveClippingChanged: Fields(public=("live_id", "clips_by"), private=("user_id",)),
    c.SimulcastTargetAdded: Fields(public=("live_id", "target_id", "name"), private=("user_id",)),
    c.SimulcastTargetSwitched: Fields(
        public=("live_id", "target_id", "enabled"), private=("user_id",)
    ),
    c.SimulcastTargetDeleted: Fields(public=("live_id", "target_id"), private=("user_id",)),
    c.SimulcastStateChanged: Fields(
        public=("live_id", "target_id", "video_id", "state", "error"), private=("user_id",)
    ),
    c.LiveStreamEnabled: Fields(public=("live_id",), private=("user_id",)),
    c.LiveStreamDisabled: Fields(public=("live_id",), private=("user_id",)),
    c.LiveStreamDeleted: Fields(public=("live_id",), private=("user_id",)),
    c.LiveScheduled: Fields(public=_SCHEDULE, private=("user_id",)),
    c.LiveRescheduled: Fields(public=_SCHEDULE, private=("user_id",)),
    c.LiveScheduleCancelled: Fields(
        public=("live_id", "planned_id", "missed"), private=("user_id",)
    ),
    c.LiveStartsSoon: Fields(
        public=("live_id", "planned_id", "scheduled_at", "title"), private=("user_id",)
    ),
    c.LiveScheduleMet: Fields(public=("live_id", "planned_id", "video_id"), private=("user_id",)),
    c.LiveSessionOpened: Fields(public=("live_id",), private=_OWNED),
    c.LiveSessionClosed: Fields(public=("live_id",), private=_OWNED),
    c.LiveConnected: Fields(
        public=(
            *("live_id", "protocol", "title", "description", "visibility", "latency", "record"),
        ),
        private=(*_OWNED, "epoch", "replica"),
    ),
    c.LivePublished: Fields(
        public=("started_at",), private=(*_VIDEO, "epoch", "first_segment", "tracks", "jump")
    ),
    c.LiveDisconnected: Fields(public=("reason", "clean"), private=(*_VIDEO, "epoch")),
    c.LiveReconnected: Fields(public=("protocol",), private=(*_VIDEO, "epoch", "replica")),
    c.LiveEnded: Fields(
        public=("live_id", "reason", "peak_viewers", "total_viewers"), private=_OWNED
    ),
    c.LiveRecorded: Fields(
        public=("duration_ms", "width", "height", "renditions", "size"),
        private=(*_VIDEO, *_PLAYLISTS, "playlists"),
    ),
    c.LivePosterMade: Fields(private=(*_VIDEO, "poster_key", "object")),
    c.LiveClipMade: Fields(
        public=(
            *("live_id", "source_id", "made_by", "title", "description", "visibility"),
            *("started_at", "duration_ms", "size"),
        ),
        private=_OWNED,
    ),
    c.DetailsChanged: Fields(public=("title", "description"), private=_VIDEO),
    c.TagsAdded: Fields(public=("tags",), private=_VIDEO),
    c.TagRemoved: Fields(public=("tag",), private=_VIDEO),
    c.VisibilityChanged: Fields(public=("visibility", "publish_at"), private=_VIDEO),
    c.DownloadsChanged: Fields(public=("downloads",), private=_VIDEO),
    c.CaptionsStored: Fields(private=(*_VIDEO, "track", "replaced_bytes")),
    c.CaptionsRemoved: Fields(public=("language",), private=(*_VIDEO, "removed_bytes")),
    c.ViewsCounted: Fields(public=("count",), private=(*_VIDEO, "batch_id")),
    c.VideoBinned: Fields(public=("delete_at",), private=_OWNED),
    c.VideoRestored: Fields(private=_OWNED),
    c.VideoDeleted: Fields(public=("deleted_by",), private=_OWNED),
    # Structs inside public fields.
    c.SourceNote: Fields(public=("code", "text")),
    c.Rendition: Fields(
        public=(
            *("name", "width", "height", "frame_rate", "video_codec", "video_range"),
            "passthrough",
        )
    ),
    c.PublishedRendition: Fields(
        public=(
            *("name", "width", "height", "bandwidth", "average_bandwidth", "codecs"),
            *("frame_rate", "video_range"),
        )
    ),
}
_UNDECLARED: Final = Fields()
# They come by the hundred; Server-Sent Events of a job have them.
_NOT_IN_FEED: Final = (
    *(c.TranscodeProgressed, c.ChunkEncoded, c.AudioEncoded),
    *(c.LivePublished, c.LivePosterMade),
)


def feed_data(event: c.Event) -> msgspec.Raw | None:
    """The event's data in its owner's feed, as JSON; None if the feed leaves out its type."""
    if isinstance(event, _NOT_IN_FEED):
        return None
    return msgspec.Raw(msgspec.json.encode(public_fields(event)))


def public_fields(event: c.Event) -> dict[str, Any]:
    """The event's public fields; none of a type that ``FIELDS`` does not have."""
    data = _public(event)
    if isinstance(event, c.TranscodePlanned):
        data["duration_ms"] = event.source.duration_ms
        data["chunks"] = len(event.chunks)
        data["notes"] = [{"code": note.code, "text": note.text} for note in event.source.notes]
    elif isinstance(event, c.CaptionsStored):
        track = event.track
        data |= {
            "language": track.language,
            "kind": track.kind,
            "label": track.label,
            "origin": track.origin,
        }
    return data


def _public(struct: msgspec.Struct) -> dict[str, Any]:
    names = FIELDS.get(type(struct), _UNDECLARED).public
    return {name: _public_value(getattr(struct, name)) for name in names}


def _public_value(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return _public(value)
    if isinstance(value, tuple):
        return [_public_value(item) for item in value]
    return value
