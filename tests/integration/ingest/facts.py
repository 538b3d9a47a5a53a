"""Facts about uploads, each with its stream, as they stand in the log."""

from shared.contracts import Event, VideoUploaded, stream_id

Fact = tuple[str, Event]


def uploaded(video: str, user: str, size: int) -> Fact:
    """A video of ``size`` bytes was uploaded."""
    event = VideoUploaded(
        video_id=video,
        user_id=user,
        title="A",
        description="",
        filename="a.mp4",
        content_type="video/mp4",
        size=size,
        source_key=f"{video}/source",
    )
    return stream_id("upload", video), event
