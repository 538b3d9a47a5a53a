"""Facts about videos, each with its stream, as they stand in the log."""

from shared.contracts import Event, SourceFacts, TranscodePlanned, VideoUploaded, stream_id

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


def planned(
    video: str, user: str, minutes: int, attempt: int = 1, *, counted: bool = False
) -> Fact:
    """An attempt to encode a source of so many minutes was planned."""
    event = TranscodePlanned(
        video_id=video,
        user_id=user,
        attempt=attempt,
        prefix=f"{video}/{attempt}/",
        source=SourceFacts(container="mp4", duration_ms=minutes * 60_000, size=1),
        renditions=(),
        chunks=(),
        audio=(),
        segment_ms=4000,
        encoder="x",
        worker="w",
        counted=counted,
    )
    return stream_id("transcode", video), event
