"""Which segments a clip has, and who sees it."""

from datetime import UTC, datetime, timedelta

import pytest

from services.live.clips.rules import (
    batches,
    checked_seconds,
    choose,
    clip_visibility,
    is_due,
    may_clip,
)
from services.live.recording.history import read_history
from shared.contracts import EncodedTrack, LivePublished, Segment, Visibility
from shared.errors import InvalidInput

BEGAN = datetime(2030, 1, 2, tzinfo=UTC)


def published(first: int, at: float, *, jump: bool = False, epoch: int = 1) -> LivePublished:
    """Four segments of two seconds in two tracks."""
    segments = tuple(
        Segment(index=first + n, start=1000 + 2000 * (first + n), duration=2000, size=10)
        for n in range(4)
    )
    tracks = tuple(
        EncodedTrack(
            name=name,
            timescale=1000,
            codecs="avc1",
            init_key=f"video/live/{epoch}/{name}/init-a.mp4",
            init_sha256="a",
            key=f"video/live/{epoch}/{name}",
            segments=segments,
            sha256="all",
        )
        for name in ("top", "a")
    )
    return LivePublished(
        video_id="video",
        epoch=epoch,
        first_segment=first,
        started_at=BEGAN + timedelta(seconds=at),
        tracks=tracks,
        jump=jump,
    )


EVENTS = [published(0, 0), published(4, 8), published(10, 60, jump=True, epoch=2)]
HISTORY = read_history("video", EVENTS)


@pytest.mark.parametrize(
    ("seconds", "ends", "first", "last", "real"),
    [
        (5, 16, 5, 7, 6),
        (6, 16, 5, 7, 6),
        # It ends in the middle of a segment: that segment is whole, and one more before it.
        (6, 15, 4, 7, 8),
        (5, 3, 0, 1, 4),
        (120, 1000, 0, 13, 24),
        # The publisher was away: the time without pictures does not count.
        (6, 40, 5, 7, 6),
        (10, 64, 5, 11, 10),
    ],
)
def test_a_clip_has_the_last_seconds_of_media(
    seconds: int, ends: float, first: int, last: int, real: float
) -> None:
    chosen = choose(HISTORY, seconds, BEGAN + timedelta(seconds=ends))
    assert chosen is not None
    assert (min(chosen.numbers), max(chosen.numbers)) == (first, last)
    assert chosen.seconds == real
    assert chosen.started_at == HISTORY.reference()[first].at


def test_there_is_no_clip_of_what_was_before_the_live() -> None:
    assert choose(HISTORY, 30, BEGAN) is None
    assert choose(read_history("video", []), 30, BEGAN) is None


def test_batches_name_the_copies() -> None:
    found = batches("clip", "video", EVENTS, frozenset({6, 7, 10}))
    assert [(b.first_segment, b.jump, b.epoch, b.video_id) for b in found] == [
        (6, False, 1, "clip"),
        (10, True, 2, "clip"),
    ]
    assert found[0].started_at == BEGAN + timedelta(seconds=12)
    assert found[0].tracks[0].key == "clip/live/1/top"
    assert found[0].tracks[1].init_key == "clip/live/1/a/init-a.mp4"
    # The digest was one of all four segments.
    assert found[0].tracks[0].sha256 is None
    clip = read_history("clip", found)
    assert clip.reference()[10].at == HISTORY.reference()[10].at
    # The first one kept is no discontinuity, whatever it was in the live.
    assert [b.jump for b in batches("clip", "video", EVENTS, frozenset({10}))] == [False]


@pytest.mark.parametrize(
    ("asked", "source", "by_owner", "shown"),
    [
        (None, "public", True, "public"),
        (None, "private", True, "private"),
        (None, "draft", True, "private"),
        ("public", "private", True, "public"),
        ("public", "unlisted", False, "unlisted"),
        ("private", "public", False, "private"),
        ("unlisted", "public", False, "unlisted"),
    ],
)
def test_only_the_owner_shows_a_clip_to_more_people(
    asked: Visibility | None, source: Visibility, by_owner: bool, shown: Visibility
) -> None:
    assert clip_visibility(asked, source, by_owner=by_owner) == shown


def test_others_make_clips_of_what_they_can_see_where_the_owner_allows_it() -> None:
    assert may_clip("ann", "ann", "owner", "private")
    assert not may_clip("bob", "ann", "owner", "public")
    assert may_clip("bob", "ann", "everyone", "unlisted")
    assert not may_clip("bob", "ann", "everyone", "private")
    assert not may_clip("bob", "ann", "everyone", "draft")


def test_a_clip_waits_for_the_last_batch() -> None:
    assert not is_due("active", BEGAN, BEGAN + timedelta(seconds=11))
    assert is_due("active", BEGAN, BEGAN + timedelta(seconds=12))
    assert is_due("ended", BEGAN, BEGAN)


@pytest.mark.parametrize("seconds", [4, 121, -1])
def test_a_clip_is_neither_long_nor_tiny(seconds: int) -> None:
    with pytest.raises(InvalidInput):
        checked_seconds(seconds)
