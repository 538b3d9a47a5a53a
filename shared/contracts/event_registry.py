"""Every event type, its stream category and its current schema version."""

from typing import Final

import msgspec

from shared.contracts import events as e
from shared.contracts import live_events as live
from shared.contracts.ids import Category

CATEGORY_EVENTS: Final[dict[Category, tuple[type[e.Event], ...]]] = {
    "user": (
        e.UserRegistered,
        e.EmailChanged,
        e.PasswordChanged,
        e.DefaultVisibilityChanged,
        e.SessionRevoked,
        e.UserDeleted,
    ),
    "upload": (
        e.UploadStarted,
        e.VideoUploaded,
        e.UploadExpired,
        e.UploadAborted,
        e.UploadRejected,
    ),
    "transcode": (
        e.TranscodePlanned,
        e.TranscodeProgressed,
        e.ChunkEncoded,
        e.AudioEncoded,
        e.ThumbnailsCreated,
        e.CaptionsExtracted,
        e.VideoPlayable,
        e.TranscodeCompleted,
        e.TranscodeFailed,
        e.TranscodeRetried,
        e.TranscodeCancelled,
        e.MediaLost,
        e.MediaRepairFailed,
        e.MediaRestored,
        e.MediaCompacted,
        e.DownloadsMade,
    ),
    "live": (
        live.LiveStreamCreated,
        live.LiveStreamChanged,
        live.StreamKeyRotated,
        live.LiveClippingChanged,
        live.SimulcastTargetAdded,
        live.SimulcastTargetSwitched,
        live.SimulcastTargetDeleted,
        live.SimulcastStateChanged,
        live.LiveStreamEnabled,
        live.LiveStreamDisabled,
        live.LiveStreamDeleted,
        live.LiveScheduled,
        live.LiveRescheduled,
        live.LiveScheduleCancelled,
        live.LiveStartsSoon,
        live.LiveScheduleMet,
        live.LiveSessionOpened,
        live.LiveSessionClosed,
    ),
    "livesession": (
        live.LiveConnected,
        live.LivePublished,
        live.LiveDisconnected,
        live.LiveReconnected,
        live.LiveEnded,
        live.LiveRecorded,
        live.LivePosterMade,
        live.LiveClipMade,
    ),
    "video": (
        e.DetailsChanged,
        e.TagsAdded,
        e.TagRemoved,
        e.VisibilityChanged,
        e.DownloadsChanged,
        e.CaptionsStored,
        e.CaptionsRemoved,
        e.ViewsCounted,
        e.VideoBinned,
        e.VideoRestored,
        e.VideoDeleted,
    ),
}

EVENT_TYPES: Final[dict[str, type[e.Event]]] = {
    event.__name__: event for group in CATEGORY_EVENTS.values() for event in group
}

SCHEMA_VERSIONS: Final[dict[str, int]] = dict.fromkeys(EVENT_TYPES, 1) | {
    "AudioEncoded": 2,
    "CaptionsStored": 2,
    "ChunkEncoded": 3,
    "LiveEnded": 2,
    "LiveStreamChanged": 2,
    "LiveStreamCreated": 2,
    "MediaCompacted": 2,
    "MediaRestored": 2,
    "ThumbnailsCreated": 2,
    "TranscodeCompleted": 3,
    "TranscodePlanned": 5,
    "TranscodeRetried": 2,
    "UploadStarted": 2,
    "VideoUploaded": 4,
    "VisibilityChanged": 2,
}
"""The schema version of new events. Raise it together with an upcaster."""


class UnknownEventType(Exception):
    """The log holds a type that this build does not know."""


_encoder = msgspec.json.Encoder()
_decoders: Final[dict[str, msgspec.json.Decoder[e.Event]]] = {
    name: msgspec.json.Decoder(event) for name, event in EVENT_TYPES.items()
}


def encode(event: e.Event) -> bytes:
    """An event's data as JSON."""
    return _encoder.encode(event)


def decode(type_name: str, data: bytes | str) -> e.Event:
    """Decode an event of type ``type_name`` from JSON of the current schema version.

    Raises UnknownEventType, or msgspec.ValidationError where the data do not fit the type.
    """
    decoder = _decoders.get(type_name)
    if decoder is None:
        raise UnknownEventType(type_name)
    return decoder.decode(data)
