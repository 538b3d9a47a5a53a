"""Every byte of a completed video's objects is compared with a hash in the log."""

import msgspec

from services.transcoder.coordinator.media_checks import Check, media_checks, source_check
from services.transcoder.coordinator.media_objects import planned_joins
from services.transcoder.coordinator.missing_media import expected_keys
from services.transcoder.coordinator.playlist_documents import final_documents
from services.transcoder.domain.evolution import evolve
from services.transcoder.domain.state import Transcode
from services.transcoder.object_keys import content_mark
from shared.contracts import (
    ChunkEncoded,
    CompactedTrack,
    Event,
    MediaCompacted,
    StoredObject,
    TranscodeCompleted,
    VideoUploaded,
)
from tests.unit.transcoder.facts_about import (
    COMPLETED,
    IMAGES,
    after,
    audio_encoded,
    chunk_encoded,
    plan,
)

PLAN = plan()
MARK = "0123456789ab"


def stored(key: str) -> StoredObject:
    return StoredObject(key=key, size=7, sha256="f" * 64)


def marked(event: ChunkEncoded, sha256: str | None) -> ChunkEncoded:
    """The same chunk with a hash of its segments, or with one in its keys only."""
    tracks = tuple(
        msgspec.structs.replace(track, sha256=sha256)
        if sha256
        else msgspec.structs.replace(track, key=f"{(track.key or '')[:-4]}-{MARK}.mp4")
        for track in event.tracks
    )
    sprite = stored(f"v/a1/storyboard/{event.chunk:05d}.webp") if sha256 else None
    return msgspec.structs.replace(event, tracks=tracks, sprite=sprite)


def done(sha256: str | None, completed: TranscodeCompleted = COMPLETED) -> Transcode:
    chunks = [
        chunk_encoded(PLAN, 0, "240p"),
        chunk_encoded(PLAN, 0, "360p"),
        *(chunk_encoded(PLAN, chunk.index, "360p", "240p") for chunk in PLAN.chunks[1:]),
    ]
    made: list[Event] = [PLAN, *(marked(chunk, sha256) for chunk in chunks)]
    return after(*made, audio_encoded(0, 5, complete=True), IMAGES, completed)


def compacted(state: Transcode) -> Transcode:
    joined = tuple(
        CompactedTrack(track=whole.track, key=whole.key, size=whole.size)
        for whole, _ in planned_joins(state)
    )
    event = MediaCompacted(video_id="v", attempt=1, objects=joined, keep_seconds=1)
    return evolve(state, event)


def test_every_expected_object_has_a_check() -> None:
    for state in (done("a" * 64), compacted(done("a" * 64)), done(None)):
        assert {check.key for check in media_checks("v", state)} == expected_keys("v", state)


def test_checks_are_in_the_order_of_their_places() -> None:
    places = [check.place for check in media_checks("v", compacted(done("a" * 64)))]
    assert places == sorted(set(places))


def test_the_checks_of_a_joined_object_cover_all_of_its_bytes() -> None:
    state = compacted(done("a" * 64))
    for name in ("360p", "240p"):
        key = state.video[name][0].key
        pieces = [check for check in media_checks("v", state) if check.key == key]
        assert pieces[0] == Check(key or "", 0, 800, "0" * 64)
        assert len(pieces) == 1 + len(PLAN.chunks)
        assert all(piece.sha256 == "a" * 64 for piece in pieces[1:])
        ends = [0, *(piece.end for piece in pieces)]
        assert ends[:-1] == [piece.start for piece in pieces]


def test_the_hash_of_older_events_is_the_beginning_in_the_key() -> None:
    for state in (done(None), compacted(done(None))):
        segments = [
            check
            for check in media_checks("v", state)
            if "0p/" in check.key and "init" not in check.key and check.start
        ]
        assert {check.sha256 for check in segments} <= {MARK}
    assert {c.sha256 for c in media_checks("v", done(None)) if MARK in c.key} == {MARK}


def test_playlists_and_images_are_compared_where_the_log_has_their_hash() -> None:
    written = (stored("v/master.m3u8"), stored("v/a1/240p-iframes.m3u8"))
    state = done("a" * 64, msgspec.structs.replace(COMPLETED, playlists=written))
    checks = {check.key: check for check in media_checks("v", state)}
    assert checks["v/master.m3u8"] == Check("v/master.m3u8", 0, None, "f" * 64, 7)
    assert checks["v/a1/storyboard/00001.webp"].sha256 == "f" * 64
    assert checks["v/a1/240p-iframes.m3u8"].size == 7


def test_playlists_without_a_hash_in_the_log_are_compared_with_what_follows_from_it() -> None:
    for state in (done("a" * 64), compacted(done("a" * 64))):
        _, documents = final_documents("v", state, PLAN)
        derived = {each.key: each.stored.sha256 for each in documents}
        checks = {check.key: check.sha256 for check in media_checks("v", state)}
        assert {"v/master.m3u8", "v/manifest.mpd", "v/a1/240p.m3u8"} <= derived.keys()
        expected = derived.keys() & checks.keys()
        assert {key: checks[key] for key in expected} == {key: derived[key] for key in expected}
        assert len(expected) == sum(not key.endswith((".mp4", ".webp")) for key in checks)


def test_the_mark_of_a_key() -> None:
    assert content_mark("v/a1/240p/00003-0123456789ab.mp4") == MARK
    assert content_mark("v/a1/240p/init-0123456789ab.mp4") == MARK
    assert content_mark("v/a1/poster-0123456789ab.webp") == MARK
    # The key of a joined object is made of the keys of its pieces, not of its bytes.
    assert content_mark("v/a1/240p/all-0123456789ab.mp4") is None
    assert content_mark("v/a1/storyboard/00001.webp") is None


def test_a_source_is_compared_with_what_was_acknowledged() -> None:
    uploaded = VideoUploaded(
        video_id="v",
        user_id="u",
        title="t",
        description="",
        filename="f",
        content_type="video/mp4",
        size=9,
        source_key="v/source",
    )
    assert source_check(uploaded) == Check("v/source", 0, None, "", 9, of_source=True)
    known = msgspec.structs.replace(uploaded, sha256="b" * 64)
    assert source_check(known).sha256 == "b" * 64
