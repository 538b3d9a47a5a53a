"""One object for each track: where its segments are, and what is left to be removed."""

import re

import msgspec
import pytest

from services.transcoder.coordinator.media_objects import planned_joins, referenced
from services.transcoder.domain.decisions import RecordEvent, decide
from services.transcoder.domain.evolution import evolve
from services.transcoder.domain.state import Transcode, media_keys
from services.transcoder.manifests.hls import Rates, media_playlist, published, rendition_segments
from services.transcoder.manifests.hls_iframes import iframe_playlist, iframe_stream_inf
from services.transcoder.planning.object_join import join_tracks, relocate_tracks
from shared.contracts import CompactedTrack, MediaCompacted, TranscodeCompleted
from tests.unit.transcoder.facts_about import (
    IMAGES,
    after,
    audio_encoded,
    chunk_encoded,
    plan,
    track,
)

PLAN = plan(seconds=10)
DONE = TranscodeCompleted(
    video_id="v",
    attempt=1,
    playlist_key="v/master.m3u8",
    duration_ms=10_000,
    width=640,
    height=360,
    renditions=(),
    size=1,
)
COMPLETE = after(
    PLAN,
    chunk_encoded(PLAN, 0, "240p"),
    chunk_encoded(PLAN, 0, "360p"),
    chunk_encoded(PLAN, 1, "360p", "240p"),
    audio_encoded(0, 1),
    audio_encoded(1, 2, complete=True),
    IMAGES,
    DONE,
)


def compacted_event(state: Transcode) -> MediaCompacted:
    objects = tuple(
        CompactedTrack(track=whole.track, key=whole.key, size=whole.size)
        for whole, _ in planned_joins(state)
    )
    return MediaCompacted(video_id="v", attempt=1, objects=objects, keep_seconds=1)


def test_segments_follow_the_init_segment() -> None:
    tracks = [track(PLAN, "360p", 0), track(PLAN, "360p", 1)]
    whole = join_tracks("360p", tracks)
    assert whole is not None
    assert [(piece.key, piece.size) for piece in whole.pieces] == [
        ("v/a1/360p/init.mp4", 800),
        ("v/a1/360p/00000.mp4", 300_000),
        ("v/a1/360p/00001.mp4", 450_000),
    ]
    assert re.fullmatch(r"v/a1/360p/all-[0-9a-f]{12}\.mp4", whole.key)
    assert whole.size == 750_800
    first, second = relocate_tracks(tracks, whole.key)
    assert [s.offset for s in (*first.segments, *second.segments)] == [800, 300_800, 600_800]
    assert {first.key, first.init_key, second.key, second.init_key} == {whole.key}
    assert join_tracks("360p", [first, second]) is None
    assert relocate_tracks(tracks, "something else") == tuple(tracks)


def test_one_run_of_segments_is_joined_to_its_init_segment() -> None:
    only = track(PLAN, "360p", 0)
    whole = join_tracks("360p", [only])
    assert whole is not None
    assert whole.size == 300_800
    (moved,) = relocate_tracks([only], whole.key)
    assert [segment.offset for segment in moved.segments] == [800]


def test_a_run_without_segments_adds_nothing() -> None:
    one, two = track(PLAN, "360p", 0), track(PLAN, "360p", 1)
    whole = join_tracks("360p", [one, msgspec.structs.replace(two, segments=())])
    assert whole is not None
    assert [piece.size for piece in whole.pieces] == [800, 300_000, 0]


@pytest.mark.parametrize(("size", "joined"), [(0, False), (1, True)])
def test_an_init_segment_of_unknown_size_is_not_joined(size: int, *, joined: bool) -> None:
    old = msgspec.structs.replace(track(PLAN, "360p", 0), init_size=size)
    assert (join_tracks("360p", [old]) is not None) == joined


def test_different_init_segments_are_not_joined() -> None:
    one, two = track(PLAN, "360p", 0), track(PLAN, "360p", 1)
    assert join_tracks("360p", [one, msgspec.structs.replace(two, init_key="other")]) is None
    assert join_tracks("360p", [one, msgspec.structs.replace(two, key=None)]) is None
    assert join_tracks("360p", []) is None


def test_a_compacted_video_names_only_the_new_objects() -> None:
    event = compacted_event(COMPLETE)
    state = evolve(COMPLETE, event)
    assert media_keys(state) == {each.key for each in event.objects}
    assert planned_joins(state) == []
    segments = rendition_segments(state, "360p", early=False)
    assert media_playlist(segments, ended=True).count("#EXT-X-MAP") == 1
    assert f'#EXT-X-MAP:URI="{segments[0].uri}",BYTERANGE="800@0"' in media_playlist(
        segments, ended=True
    )
    # JoinedObject objects are nobody's left-overs, even before the log knows of them.
    assert media_keys(state) <= referenced("v", COMPLETE)
    kept = referenced("v", state)
    assert media_keys(COMPLETE) <= kept
    assert "v/a1/audio-0-early.m3u8" in kept
    left = referenced("v", state, replaced=False)
    assert not media_keys(COMPLETE) & left
    assert media_keys(state) <= left
    assert not any("early" in key for key in left)


def test_compaction_is_told_once_and_only_of_a_complete_video() -> None:
    event = compacted_event(COMPLETE)
    assert decide(COMPLETE, RecordEvent(event)) == (event,)
    assert decide(evolve(COMPLETE, event), RecordEvent(event)) == ()
    running = msgspec.structs.replace(COMPLETE, phase="running")
    assert decide(running, RecordEvent(event)) == ()
    other = msgspec.structs.replace(event, attempt=2)
    assert decide(COMPLETE, RecordEvent(other)) == ()


def test_key_pictures_are_the_beginnings_of_segments() -> None:
    segments = rendition_segments(COMPLETE, "360p", early=False)
    text = iframe_playlist(segments)
    assert text == (
        "#EXTM3U\n"
        "#EXT-X-VERSION:7\n"
        "#EXT-X-TARGETDURATION:4\n"
        "#EXT-X-MEDIA-SEQUENCE:0\n"
        "#EXT-X-PLAYLIST-TYPE:VOD\n"
        "#EXT-X-I-FRAMES-ONLY\n"
        '#EXT-X-MAP:URI="360p/init.mp4",BYTERANGE="800@0"\n'
        "#EXTINF:4.000000,\n"
        "#EXT-X-BYTERANGE:9000@0\n"
        "360p/00000.mp4\n"
        "#EXTINF:4.000000,\n"
        "#EXT-X-BYTERANGE:9000@0\n"
        "360p/00001.mp4\n"
        "#EXTINF:2.000000,\n"
        "#EXT-X-BYTERANGE:9000@300000\n"
        "360p/00001.mp4\n"
        "#EXT-X-ENDLIST\n"
    )
    listed = published(PLAN.renditions[0], Rates(1, 1), "avc1.64001E", "mp4a.40.2")
    assert iframe_stream_inf(listed, segments, "a1") == (
        "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=36000,AVERAGE-BANDWIDTH=21600,"
        'CODECS="avc1.64001E",RESOLUTION=640x360,URI="a1/360p-iframes.m3u8"'
    )


def test_segments_from_before_have_no_key_pictures() -> None:
    segments = [
        msgspec.structs.replace(segment, key_bytes=0)
        for segment in rendition_segments(COMPLETE, "360p", early=False)
    ]
    assert iframe_playlist(segments) is None
