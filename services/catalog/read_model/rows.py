"""Rows of the read models. Field names are column names: rows travel to the database as JSON."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from shared.contracts import PublishedRendition, Visibility

VideoStatus = Literal["processing", "ready", "failed"]
JobStatus = Literal["pending", "processing", "completed", "failed"]


class UserRow(msgspec.Struct, kw_only=True):
    """A person. When the account is deleted the row stays, with no name in it."""

    id: str
    username: str
    username_key: str
    registered_at: datetime
    deleted: bool = False


class VideoRow(msgspec.Struct, kw_only=True):
    """A video whose source has arrived. ``listed``: anyone may find it."""

    id: str
    user_id: str
    title: str
    description: str
    created_at: datetime
    updated_at: datetime
    tags: tuple[str, ...] = ()
    visibility: Visibility = "public"
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


class VideoTagRow(msgspec.Struct, kw_only=True, frozen=True):
    """One tag of one video; ``public`` and ``listed`` are the video's."""

    video_id: str
    key: str
    name: str
    public: bool
    listed: bool
    created_at: datetime


class JobRow(msgspec.Struct, kw_only=True):
    """The way of an upload to a playable video. ``progress`` is a percentage."""

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


class FeedRow(msgspec.Struct, kw_only=True, frozen=True):
    """One event that a person may see, as they may see it."""

    user_id: str
    position: int
    event_id: UUID
    type: str
    video_id: str | None
    at: datetime
    data: msgspec.Raw


class ViewBatch(msgspec.Struct, frozen=True):
    """``count`` views of one video, to become one event whose id is ``batch_id``."""

    batch_id: str
    video_id: str
    count: int
