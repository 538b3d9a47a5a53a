"""Folds the events of a live session into the row of its video. Pure."""

from datetime import datetime
from typing import Literal

from services.catalog.rows import VideoRow
from shared.contracts import (
    DownloadsMade,
    Event,
    LiveClipMade,
    LiveConnected,
    LiveDisconnected,
    LiveEnded,
    LivePosterMade,
    LivePublished,
    LiveReconnected,
    LiveRecorded,
    ThumbnailsCreated,
    TranscodeCancelled,
    TranscodeCompleted,
    TranscodeFailed,
    TranscodeRetried,
)

Folded = Literal["unchanged", "changed", "gone"]


def clip_video(event: LiveClipMade, at: datetime) -> VideoRow:
    """The video that a clip is, whose playlists follow."""
    return VideoRow(
        id=event.video_id,
        user_id=event.user_id,
        title=event.title,
        description=event.description,
        visibility=event.visibility,
        created_at=at,
        updated_at=at,
        # Like a live's, it has a timeline and no job.
        live_latency="standard",
    )


def live_video(event: LiveConnected, at: datetime) -> VideoRow:
    """The video that a session is from its first publisher on."""
    return VideoRow(
        id=event.video_id,
        user_id=event.user_id,
        title=event.title,
        description=event.description,
        visibility=event.visibility,
        created_at=at,
        updated_at=at,
        status="live",
        live_connected=True,
        live_latency=event.latency,
        live_kept=event.record,
    )


def live_playlist_key(video_id: str) -> str:
    """Where players find a running session: no object, but an address of the gateway's."""
    return f"{video_id}/live/index.m3u8"


def live_manifest_key(video_id: str) -> str:
    """The same for players of DASH."""
    return f"{video_id}/live/live.mpd"


def fold_live(event: Event, at: datetime, video: VideoRow) -> Folded:
    """Fold one event into the row. ``gone``: nothing is left that could be watched."""
    match event:
        case LivePublished() if not video.playable and video.status == "live":
            video.playable = True
            video.playlist_key = live_playlist_key(video.id)
            video.dash_key = live_manifest_key(video.id)
            video.live_started_at = event.started_at
        case LiveDisconnected():
            video.live_connected = False
        case LiveReconnected():
            video.live_connected = True
        case LiveEnded():
            if not (video.playable and video.live_kept):
                return "gone"
            video.live_connected, video.live_ended = False, True
        case LivePosterMade():
            video.poster_key = event.poster_key
        case LiveRecorded():
            _become_ready(video, event)
        case _:
            return "unchanged"
    video.updated_at = at
    return "changed"


def fold_remade(event: Event, at: datetime, video: VideoRow) -> bool:
    """Fold an event of the transcode of a recording, which plays already; returns whether the row
    changed. Viewers get what the transcode has made when it is complete, and nothing of it if it
    fails. The poster stays the live's own.
    """
    match event:
        case ThumbnailsCreated():
            video.storyboard_key, video.preview_key = event.storyboard_key, event.preview_key
            video.poster_key = video.poster_key or event.poster_key
        case TranscodeFailed() | TranscodeCancelled() | TranscodeRetried():
            # The objects of an attempt are deleted when it ends without a result.
            video.storyboard_key = video.preview_key = None
            own = (video.poster_key or "").startswith(f"{video.id}/live/")
            video.poster_key = video.poster_key if own else None
            video.files = ()
        case TranscodeCompleted():
            video.playlist_key, video.dash_key = event.playlist_key, event.dash_key
            video.duration_ms = event.duration_ms
            video.width, video.height = event.width, event.height
            video.renditions = event.renditions
        case DownloadsMade():
            video.files = event.files
            return True
        case _:
            return False
    video.updated_at = at
    return True


def _become_ready(video: VideoRow, event: LiveRecorded) -> None:
    video.status, video.playable = "ready", True
    video.playlist_key, video.dash_key = event.playlist_key, event.dash_key
    video.duration_ms, video.width, video.height = event.duration_ms, event.width, event.height
    video.renditions = event.renditions
    video.live_connected = False
