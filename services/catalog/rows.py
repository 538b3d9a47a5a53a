"""Rows of the read models: the one declaration of their fields.

``tables`` makes columns of the fields, ``read_model`` writes rows as JSON, and ``api_models`` shows
the fields that an API model has too.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from shared.contracts import (
    CaptionTrack,
    DownloadFile,
    Downloads,
    PublishedRendition,
    SourceNote,
    Visibility,
)

VideoStatus = Literal["processing", "live", "ready", "failed"]
JobStatus = Literal["pending", "processing", "completed", "failed"]


class UserRow(msgspec.Struct, kw_only=True):
    """A user. The row of a deleted account stays, with an empty username."""

    id: str
    username: str
    username_key: str
    registered_at: datetime
    deleted: bool = False


class VideoRow(msgspec.Struct, kw_only=True):
    """A video whose upload is complete. ``listed``: lists and search show it.

    ``created_at``: when its upload was complete, or when it was published, if it was a draft.
    ``publish_at``: when a draft becomes public, if its owner has said so. ``delete_at``: the video
    is in the bin until then, and only there. ``downloads``: who but
    the owner may have ``files``, if its owner has said so.

    Of a session of a live stream: ``live_started_at``, the time of its first picture;
    ``live_connected``, a publisher is there; ``live_ended``, it has ended and its last segments
    arrive; ``live_kept``, it will be an ordinary video then.
    """

    id: str
    user_id: str
    title: str
    description: str
    created_at: datetime
    updated_at: datetime
    tags: tuple[str, ...] = ()
    visibility: Visibility = "public"
    publish_at: datetime | None = None
    status: VideoStatus = "processing"
    playable: bool = False
    listed: bool = False
    duration_ms: int | None = None
    width: int | None = None
    height: int | None = None
    playlist_key: str | None = None
    dash_key: str | None = None
    poster_key: str | None = None
    storyboard_key: str | None = None
    preview_key: str | None = None
    renditions: tuple[PublishedRendition, ...] = ()
    views: int = 0
    search: str = ""
    live_started_at: datetime | None = None
    live_connected: bool = False
    live_latency: str | None = None
    live_ended: bool = False
    live_kept: bool = True
    downloads: Downloads | None = None
    files: tuple[DownloadFile, ...] = ()
    captions: tuple[CaptionTrack, ...] = ()
    captions_removed: tuple[str, ...] = ()
    captions_found: tuple[CaptionTrack, ...] = ()
    delete_at: datetime | None = None


class FoundCaptions(msgspec.Struct, frozen=True):
    """Text tracks of a video's source that may become its captions."""

    video_id: str
    tracks: tuple[CaptionTrack, ...]


class VideoTagRow(msgspec.Struct, kw_only=True, frozen=True):
    """A tag of a video; ``public`` and ``listed`` are copies of the video's state.

    Nothing reads ``public`` any more but processes of the version before.
    """

    video_id: str
    key: str
    name: str
    public: bool
    listed: bool
    created_at: datetime


class VideoTermRow(msgspec.Struct, kw_only=True, frozen=True):
    """A term by which search finds a listed video; heavier ones have a higher ``score``."""

    video_id: str
    term: str
    score: int


class JobRow(msgspec.Struct, kw_only=True):
    """The processing of an upload; ``progress`` in percent.

    ``notes``: what the video lacks of the file, or how it differs. ``binned``: the video is in the
    bin.
    """

    id: str
    user_id: str
    title: str
    description: str
    created_at: datetime
    updated_at: datetime
    status: JobStatus = "pending"
    stage: str = "uploading"
    error_code: str | None = None
    error_message: str | None = None
    progress: float = 0.0
    playable: bool = False
    attempt: int = 1
    notes: tuple[SourceNote, ...] = ()
    binned: bool = False


class FeedRow(msgspec.Struct, kw_only=True, frozen=True):
    """An event of a user's feed; ``data`` holds its public fields."""

    user_id: str
    position: int
    event_id: UUID
    type: str
    video_id: str | None
    at: datetime
    data: msgspec.Raw


class ViewBatch(msgspec.Struct, frozen=True):
    """``count`` views of a video; they become one event with the id ``batch_id``."""

    batch_id: str
    video_id: str
    count: int
