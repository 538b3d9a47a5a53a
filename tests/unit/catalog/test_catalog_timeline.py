"""The timeline of a video, built from its events."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.catalog.queries.timeline import build_timeline, has_ended, in_order, trace_id
from shared.contracts import (
    ChunkEncoded,
    Event,
    SourceFacts,
    TranscodeFailed,
    TranscodePlanned,
    TranscodeProgressed,
    TranscodeRetried,
    UploadStarted,
    VideoPlayable,
    category_of,
)
from shared.event_store.store import Metadata, RecordedEvent, SequencedEvent
from tests.support.catalog_events import uploaded

START = datetime(2026, 1, 1, tzinfo=UTC)
TRACE = "0123456789abcdef0123456789abcdef"


def at(seconds: float, stream: str, event: Event, position: int | None = None) -> SequencedEvent:
    return SequencedEvent(
        position=position if position is not None else int(seconds * 10) + 1,
        stream_id=f"{stream}-v",
        version=1,
        type=type(event).__name__,
        data=event,
        event_id=UUID(int=1),
        metadata=Metadata(traceparent=f"00-{TRACE}-0123456789abcdef-01"),
        recorded_at=START + timedelta(seconds=seconds),
    )


STARTED = at(0, "upload", UploadStarted(video_id="v", user_id="u", protocol="tus"))
UPLOADED = at(10, "upload", uploaded("v", "u", source_key="secret-key"))
PLANNED = at(
    12,
    "transcode",
    TranscodePlanned(
        video_id="v",
        user_id="u",
        attempt=1,
        prefix="v/",
        source=SourceFacts(container="mp4", duration_ms=8000, size=1),
        renditions=(),
        chunks=(),
        audio=(),
        segment_ms=4000,
        encoder="x",
        worker="planner",
    ),
)
CHUNK = at(
    20,
    "transcode",
    ChunkEncoded(
        video_id="v",
        attempt=1,
        chunk=0,
        tracks=(),
        worker="w1",
        try_number=2,
        elapsed_ms=5000,
        speed=1.5,
    ),
)
PROGRESS = at(
    21, "transcode", TranscodeProgressed(video_id="v", attempt=1, percent=50, stage="encoding")
)
PLAYABLE = at(
    22,
    "transcode",
    VideoPlayable(
        video_id="v", attempt=1, playlist_key="k", duration_ms=8000, width=640, height=360
    ),
)
FAILED = at(
    30,
    "transcode",
    TranscodeFailed(
        video_id="v", attempt=1, code="c", reason="It broke.", detail="moov atom", worker="w1"
    ),
)
RETRIED = at(40, "transcode", TranscodeRetried(video_id="v", attempt=2, requested_by="u"))


def test_each_step_has_its_wait_its_work_and_its_worker() -> None:
    story = build_timeline("v", [STARTED, UPLOADED, PLANNED, CHUNK, PROGRESS, PLAYABLE])

    assert [step.type for step in story.steps] == [
        "UploadStarted",
        "VideoUploaded",
        "TranscodePlanned",
        "ChunkEncoded",
        "VideoPlayable",
    ]
    assert [step.wait_ms for step in story.steps] == [None, None, 2000, 3000, None]
    assert [step.duration_ms for step in story.steps] == [None, 10_000, None, 5000, None]
    assert (story.steps[3].worker, story.steps[3].tries) == ("w1", 2)
    assert {step.trace_id for step in story.steps} == {TRACE}
    assert (story.upload_ms, story.playable_after_ms, story.total_ms) == (10_000, 12_000, None)
    assert (story.progress, story.attempts, story.ended) == (50.0, 1, False)
    assert "secret-key" not in str(story)


def test_a_failure_says_why_and_a_retry_starts_again() -> None:
    failed = build_timeline("v", [UPLOADED, PLANNED, FAILED])
    assert failed.ended
    assert (failed.steps[-1].error, failed.steps[-1].detail) == ("It broke.", "moov atom")

    retried = build_timeline("v", [UPLOADED, PLANNED, PLAYABLE, FAILED, RETRIED])
    assert not retried.ended
    assert retried.attempts == 2
    assert retried.playable_after_ms is None


def test_an_end_is_an_end_until_a_retry() -> None:
    assert not has_ended([UPLOADED, PLANNED])
    assert has_ended([UPLOADED, FAILED])
    assert has_ended([UPLOADED, FAILED, PROGRESS])
    assert not has_ended([UPLOADED, FAILED, RETRIED])


def test_streams_become_one_story_and_the_unplaced_come_last() -> None:
    placed = at(5, "transcode", PROGRESS.data)
    unplaced = RecordedEvent(
        **{name: getattr(placed, name) for name in RecordedEvent.__struct_fields__}
    )
    story = in_order([[STARTED, UPLOADED], [PLANNED, unplaced]])

    assert [event.type for event in story] == [
        "UploadStarted",
        "VideoUploaded",
        "TranscodePlanned",
        "TranscodeProgressed",
    ]
    assert {category_of(event.stream_id) for event in story} == {"upload", "transcode"}


def test_trace_ids() -> None:
    assert trace_id(f"00-{TRACE}-0123456789abcdef-01") == TRACE
    assert trace_id(None) is None
    assert trace_id("nonsense") is None
