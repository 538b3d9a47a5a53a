"""A live session's events make a video: live at first, an ordinary one at its end."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from services.catalog import domain
from services.catalog.api_models import Links, to_video
from services.catalog.domain import BinVideo, ChangeDetails, DeleteVideo
from services.catalog.queries.timeline import build_timeline
from services.catalog.read_model.folding import Fold
from services.catalog.rows import VideoRow
from shared.contracts import (
    EncodedTrack,
    Event,
    LiveClipMade,
    LiveDisconnected,
    LiveEnded,
    LivePosterMade,
    LivePublished,
    LiveReconnected,
    LiveRecorded,
    LiveStreamCreated,
    StoredObject,
    ThumbnailsCreated,
    TranscodeCompleted,
    TranscodeFailed,
    VideoBinned,
    VideoDeleted,
    VideoPlayable,
    stream_id,
    uuid7,
)
from shared.event_store.store import Metadata, SequencedEvent
from tests.support.catalog_events import RENDITION
from tests.support.live_events import live_connected

V, L, U = (f"01a2049a-0000-7000-8000-00000000000{number}" for number in (1, 2, 3))
AT = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
CONNECTED = live_connected(V, U, live_id=L, title="Bikes, live", description="The race")
CLIP = LiveClipMade(
    video_id=V,
    live_id=L,
    user_id=U,
    source_id="another",
    made_by="somebody",
    title="Bikes (clip)",
    description="",
    visibility="unlisted",
    started_at=AT,
    duration_ms=30_000,
    size=1,
)
PUBLISHED = LivePublished(video_id=V, epoch=1, first_segment=0, started_at=AT, tracks=())
LOST = LiveDisconnected(video_id=V, epoch=1, reason="The connection was lost.", clean=False)
BACK = LiveReconnected(video_id=V, epoch=2, protocol="rtmp", replica="two")
ENDED = LiveEnded(video_id=V, live_id=L, user_id=U, reason="over")
POSTER = LivePosterMade(
    video_id=V, poster_key=f"{V}/live/p.jpg", object=StoredObject(key="p", size=1, sha256="00")
)
RECORDED = LiveRecorded(
    video_id=V,
    playlist_key=f"{V}/live/video.m3u8",
    dash_key=f"{V}/live/video.mpd",
    duration_ms=61_000,
    width=1280,
    height=720,
    renditions=(RENDITION,),
    size=1,
)


def sequence(*events: Event) -> list[SequencedEvent]:
    return [
        SequencedEvent(
            stream_id=_stream(event),
            version=position,
            type=type(event).__name__,
            data=event,
            event_id=uuid7(),
            metadata=Metadata(),
            recorded_at=AT,
            position=position,
        )
        for position, event in enumerate(events, 1)
    ]


def _stream(event: Event) -> str:
    if hasattr(event, "attempt"):
        return stream_id("transcode", V)
    if isinstance(event, LiveStreamCreated):
        return stream_id("live", L)
    return stream_id("video" if isinstance(event, VideoDeleted) else "livesession", V)


def folded(*events: Event) -> Fold:
    fold = Fold()
    for event in sequence(*events):
        fold.apply(event)
    return fold


def shown(*events: Event) -> Any:
    row = folded(*events).videos[V]
    values = msgspec.to_builtins(row, builtin_types=(datetime,)) | {
        "username": "ann",
        "shown_views": 0,
    }
    return to_video(values, Links("secret"), 0.0)


def test_a_session_is_live_before_it_can_be_played() -> None:
    video = shown(CONNECTED)
    assert (video.status, video.playable, video.video) == ("live", False, "")
    assert video.live is not None
    assert (video.live.connected, video.live.started_at, video.live.latency) == (True, None, "low")
    assert not folded(CONNECTED).videos[V].listed


def test_it_is_listed_and_plays_from_its_first_segments_on() -> None:
    fold = folded(CONNECTED, PUBLISHED)
    assert fold.videos[V].listed
    assert fold.videos[V].search
    video = shown(CONNECTED, PUBLISHED, POSTER)
    assert video.video == f"/media/public/{V}/live/index.m3u8"
    assert video.thumbnail == f"/media/public/{V}/live/p.jpg"
    assert video.live is not None
    assert video.live.started_at == AT


def test_it_stays_live_while_its_publisher_is_gone() -> None:
    gone, back = shown(CONNECTED, PUBLISHED, LOST), shown(CONNECTED, PUBLISHED, LOST, BACK)
    assert (gone.status, gone.live.connected, gone.playable) == ("live", False, True)
    assert (back.status, back.live.connected) == ("live", True)


def test_its_end_is_told_before_it_is_an_ordinary_video() -> None:
    video = shown(CONNECTED, PUBLISHED, LOST, ENDED)
    assert (video.status, video.live.ended, video.playable) == ("live", True, True)
    video = shown(CONNECTED, PUBLISHED, LOST, ENDED, RECORDED)
    assert (video.status, video.live, video.id) == ("ready", None, V)
    assert video.video == f"/media/public/{V}/live/video.m3u8"
    assert video.dash == f"/media/public/{V}/live/video.mpd"
    assert (video.duration, video.width, len(video.renditions)) == ("1:01", 1280, 1)
    assert folded(CONNECTED, PUBLISHED, ENDED, RECORDED).videos[V].listed


@pytest.mark.parametrize(
    "events",
    [
        (CONNECTED, ENDED),
        (msgspec.structs.replace(CONNECTED, record=False), PUBLISHED, ENDED),
        (CONNECTED, PUBLISHED, VideoDeleted(video_id=V, user_id=U, deleted_by="owner")),
        (CONNECTED, PUBLISHED, VideoDeleted(video_id=V, user_id=U, deleted_by="owner"), RECORDED),
    ],
)
def test_nothing_is_left_of_what_is_not_kept(events: tuple[Event, ...]) -> None:
    fold = folded(*events)
    assert V not in fold.videos
    assert V in fold.changed_videos
    assert V in fold.retagged


def test_a_hidden_live_is_not_listed() -> None:
    hidden = msgspec.structs.replace(CONNECTED, visibility="unlisted")
    assert not folded(hidden, PUBLISHED).videos[V].listed


def test_its_owner_has_it_in_the_feed_but_not_each_batch() -> None:
    created = LiveStreamCreated(
        live_id=L,
        user_id=U,
        title="Bikes",
        description="",
        visibility="public",
        latency="low",
        record=True,
    )
    fold = folded(created, CONNECTED, PUBLISHED, LOST, ENDED, RECORDED)
    assert [(row.type, row.user_id, row.video_id) for row in fold.feed] == [
        ("LiveStreamCreated", U, None),
        *(
            (name, U, V)
            for name in ("LiveConnected", "LiveDisconnected", "LiveEnded", "LiveRecorded")
        ),
    ]


def test_the_timeline_has_each_step_and_the_first_batch() -> None:
    timeline = build_timeline(V, sequence(CONNECTED, PUBLISHED, PUBLISHED, LOST, ENDED, RECORDED))
    assert [step.type for step in timeline.steps] == [
        *("LiveConnected", "LivePublished", "LiveDisconnected", "LiveEnded", "LiveRecorded")
    ]
    assert [step.error for step in timeline.steps] == [None] * 5
    assert timeline.ended
    assert timeline.progress == 100.0


def test_its_owner_can_change_and_delete_it_as_any_video() -> None:
    video = domain.evolve(domain.initial(), CONNECTED)
    (changed,) = domain.decide(video, ChangeDetails(U, "Other", ""))
    assert changed.title == "Other"  # type: ignore[attr-defined]
    assert domain.decide(video, DeleteVideo(U))


def test_a_running_live_is_deleted_for_good_and_one_that_is_over_is_binned() -> None:
    video = domain.evolve(domain.initial(), CONNECTED)
    (gone,) = domain.decide(video, BinVideo(U, AT))
    assert isinstance(gone, VideoDeleted)
    over = LiveEnded(video_id=V, live_id=L, user_id=U, reason="over")
    (binned,) = domain.decide(domain.evolve(video, over), BinVideo(U, AT))
    assert isinstance(binned, VideoBinned)


def test_the_row_has_no_field_that_another_live_left_behind() -> None:
    row = folded(CONNECTED, PUBLISHED, RECORDED).videos[V]
    assert isinstance(row, VideoRow)
    assert not row.live_connected


# What the transcoder makes of the recording.

IMAGES = ThumbnailsCreated(
    video_id=V,
    attempt=1,
    poster_key=f"{V}/a1/poster.webp",
    storyboard_key=f"{V}/a1/storyboard.vtt",
    preview_key=f"{V}/a1/preview.webp",
    worker="w",
)
EARLY = VideoPlayable(
    video_id=V,
    attempt=1,
    playlist_key=f"{V}/early.m3u8",
    duration_ms=1,
    width=1,
    height=1,
)
REMADE = TranscodeCompleted(
    video_id=V,
    attempt=1,
    playlist_key=f"{V}/master.m3u8",
    dash_key=f"{V}/manifest.mpd",
    duration_ms=60_900,
    width=1280,
    height=720,
    renditions=(RENDITION, RENDITION),
    size=1,
)
FAILED = TranscodeFailed(video_id=V, attempt=1, code="media.gap", reason="It has a gap.")
STORY = (CONNECTED, PUBLISHED, POSTER, ENDED, RECORDED)


def test_a_recording_plays_as_it_is_until_its_transcode_is_complete() -> None:
    row = folded(*STORY, EARLY, IMAGES).videos[V]
    assert (row.playlist_key, row.duration_ms) == (RECORDED.playlist_key, 61_000)
    assert row.storyboard_key == IMAGES.storyboard_key
    assert row.listed
    row = folded(*STORY, EARLY, IMAGES, REMADE).videos[V]
    assert (row.playlist_key, row.dash_key) == (REMADE.playlist_key, REMADE.dash_key)
    assert (row.duration_ms, len(row.renditions)) == (60_900, 2)
    assert row.poster_key == POSTER.poster_key


def test_a_transcode_that_fails_takes_nothing_from_a_recording() -> None:
    row = folded(*STORY, IMAGES, FAILED).videos[V]
    assert (row.status, row.playable, row.playlist_key) == ("ready", True, RECORDED.playlist_key)
    assert (row.storyboard_key, row.preview_key) == (None, None)
    assert row.poster_key == POSTER.poster_key
    without = folded(CONNECTED, PUBLISHED, ENDED, RECORDED, IMAGES).videos[V]
    assert without.poster_key == IMAGES.poster_key
    assert (
        folded(CONNECTED, PUBLISHED, ENDED, RECORDED, IMAGES, FAILED).videos[V].poster_key is None
    )


def test_a_clip_is_a_video_of_the_lives_owner_once_its_playlists_are_there() -> None:
    made = shown(CLIP)
    assert (made.status, made.playable, made.live, made.user_id) == ("processing", False, None, U)
    video = shown(CLIP, PUBLISHED, POSTER, RECORDED)
    assert (video.status, video.playable, video.title) == ("ready", True, "Bikes (clip)")
    assert video.visibility == "unlisted"
    assert folded(CLIP, RECORDED).videos[V].live_latency
    assert [row.type for row in folded(CLIP, PUBLISHED, RECORDED).feed] == [
        *("LiveClipMade", "LiveRecorded")
    ]
    clip = domain.evolve(domain.initial(), CLIP)
    assert domain.decide(clip, DeleteVideo(U))


def test_the_timeline_tells_of_takeovers_and_of_what_was_given_up() -> None:
    def published(first: int, *names: str) -> LivePublished:
        tracks = tuple(
            EncodedTrack(name=name, timescale=1, codecs="", init_key="", init_sha256="")
            for name in names
        )
        return LivePublished(video_id=V, epoch=1, first_segment=first, started_at=AT, tracks=tracks)

    same = LiveReconnected(video_id=V, epoch=3, protocol="rtmp", replica="two")
    story = build_timeline(
        V,
        sequence(
            CONNECTED,
            published(0, "top", "480", "a"),
            published(4, "top", "480", "a"),
            published(8, "top", "a"),
            LOST,
            BACK,
            LOST,
            same,
            ENDED,
            RECORDED,
        ),
    )
    steps = [(step.type, step.data) for step in story.steps]
    assert [name for name, _ in steps].count("LivePublished") == 2
    given_up = [data for name, data in steps if name == "LivePublished"][1]
    assert given_up["dropped"] == ["480"]
    assert given_up["tracks"] == ["source", "sound"]
    backs = [data["takeover"] for name, data in steps if name == "LiveReconnected"]
    assert backs == [True, False]
    assert [data["reason"] for name, data in steps if name == "LiveEnded"] == ["over"]
    assert all(step.error is None for step in story.steps)
