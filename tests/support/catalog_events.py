"""Events of a video from its upload to the end of its transcode."""

from typing import Any

from shared.contracts import (
    Event,
    PublishedRendition,
    SourceFacts,
    ThumbnailsCreated,
    TranscodeCompleted,
    TranscodePlanned,
    VideoPlayable,
    VideoTrack,
    VideoUploaded,
)

RENDITION = PublishedRendition(
    name="720p",
    width=1280,
    height=720,
    bandwidth=2_500_000,
    average_bandwidth=2_000_000,
    codecs="avc1.64001f,mp4a.40.2",
    frame_rate="30000/1001",
)


def uploaded(video_id: str, user_id: str, title: str = "A video", **facts: Any) -> VideoUploaded:
    """The event that an upload is complete."""
    return VideoUploaded(
        **{
            "video_id": video_id,
            "user_id": user_id,
            "title": title,
            "description": "",
            "filename": "clip.mp4",
            "content_type": "video/mp4",
            "size": 1000,
            "source_key": f"sources/{video_id}",
            **facts,
        }
    )


def planned(video_id: str, user_id: str, attempt: int = 1) -> TranscodePlanned:
    """The event that a source is probed and planned."""
    return TranscodePlanned(
        video_id=video_id,
        user_id=user_id,
        attempt=attempt,
        prefix=f"{video_id}/{attempt}/",
        source=SourceFacts(
            container="mp4",
            duration_ms=89_600,
            size=1000,
            video=VideoTrack(codec="h264", width=1280, height=720),
        ),
        renditions=(),
        chunks=(),
        audio=(),
        segment_ms=4000,
        encoder="ffmpeg",
        worker="worker-1",
    )


def playable(video_id: str, attempt: int = 1) -> VideoPlayable:
    """The event that a video is playable."""
    return VideoPlayable(
        video_id=video_id,
        attempt=attempt,
        playlist_key=f"{video_id}/master.m3u8",
        duration_ms=89_600,
        width=1280,
        height=720,
        dash_key=f"{video_id}/manifest.mpd",
    )


def transcoded(video_id: str, user_id: str, attempt: int = 1) -> list[Event]:
    """The events of a transcode from its plan to its end."""
    return [
        planned(video_id, user_id, attempt),
        playable(video_id, attempt),
        ThumbnailsCreated(
            video_id=video_id,
            attempt=attempt,
            poster_key=f"{video_id}/poster.webp",
            storyboard_key=f"{video_id}/storyboard.vtt",
        ),
        TranscodeCompleted(
            video_id=video_id,
            attempt=attempt,
            playlist_key=f"{video_id}/master.m3u8",
            duration_ms=89_600,
            width=1280,
            height=720,
            renditions=(RENDITION,),
            size=1_000_000,
            dash_key=f"{video_id}/manifest.mpd",
        ),
    ]
