"""Events of different writers in every order: the catalog's rows agree where they should."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from services.catalog.read_model.folding import Fold, tag_rows
from shared.contracts import (
    DetailsChanged,
    Event,
    TagRemoved,
    TagsAdded,
    TranscodeFailed,
    TranscodeRetried,
    UserDeleted,
    UserRegistered,
    VideoDeleted,
    ViewsCounted,
    Visibility,
    VisibilityChanged,
)
from tests.support.catalog_events import planned, playable, transcoded, uploaded
from tests.support.sequenced import sequenced

AT = datetime(2026, 1, 1, tzinfo=UTC)
Story = list[tuple[str, Event]]

BEFORE: Story = [
    ("user-u", UserRegistered(user_id="u", username="ann")),
    ("upload-v", uploaded("v", "u")),
]
COMPLETES: Story = [("transcode-v", event) for event in transcoded("v", "u")]
FAILS: Story = [
    ("transcode-v", planned("v", "u")),
    ("transcode-v", playable("v")),
    ("transcode-v", TranscodeFailed(video_id="v", attempt=1, code="c", reason="r")),
]
BEGINS_AGAIN: Story = [
    *FAILS[:2],
    (
        "transcode-v",
        TranscodeRetried(video_id="v", attempt=2, requested_by="system", plain=True, code="c"),
    ),
    ("transcode-v", msgspec.structs.replace(COMPLETES[-1][1], attempt=2)),
]
TRANSCODES: list[Story] = [COMPLETES, FAILS, BEGINS_AGAIN]
CHANGES: Story = [
    ("video-v", DetailsChanged(video_id="v", title="New", description="d")),
    ("video-v", TagsAdded(video_id="v", tags=("one", "two"))),
    ("video-v", TagRemoved(video_id="v", tag="one")),
    ("video-v", VisibilityChanged(video_id="v", visibility="private")),
    ("video-v", ViewsCounted(video_id="v", count=3, batch_id=str(UUID(int=1)))),
]
PUBLISHED: Story = [("video-v", VisibilityChanged(video_id="v", visibility="public"))]
HIDDEN: list[Story] = [
    [BEFORE[0], ("upload-v", uploaded("v", "u", tags=("one",), visibility=visibility))]
    for visibility in ("unlisted", "private", "draft")
]
DELETED: Story = [("video-v", VideoDeleted(video_id="v", user_id="u", deleted_by="u"))]
LEAVES: Story = [("user-u", UserDeleted(user_id="u"))]


def merges(one: Story, other: Story) -> Iterator[Story]:
    """Every order of two writers' events that keeps each writer's own order."""
    if not one or not other:
        yield [*one, *other]
        return
    for rest in merges(one[1:], other):
        yield [one[0], *rest]
    for rest in merges(one, other[1:]):
        yield [other[0], *rest]


def folded(story: Sequence[tuple[str, Event]], *, apart: timedelta = timedelta()) -> Fold:
    """``apart``: the time between two events."""
    fold = Fold()
    for event in sequenced(story, AT, apart=apart):
        fold.apply(event)
    return fold


def state(fold: Fold) -> bytes:
    """All rows but those of the feed, which tells in which order things happened."""
    tags = [tag_rows(video) for video in fold.videos.values()]
    return msgspec.json.encode((fold.users, fold.videos, fold.jobs, tags), order="sorted")


@pytest.mark.parametrize("transcode", TRANSCODES, ids=["completes", "fails", "begins again"])
def test_a_transcode_and_its_owners_changes_commute(transcode: Story) -> None:
    found = {state(folded(BEFORE + story)) for story in merges(transcode, CHANGES)}
    assert len(found) == 1


@pytest.mark.parametrize("transcode", TRANSCODES, ids=["completes", "fails", "begins again"])
def test_nothing_of_a_deleted_video_comes_back(transcode: Story) -> None:
    for story in merges(transcode, CHANGES + DELETED):
        fold = folded(BEFORE + story)
        assert (fold.videos, fold.jobs) == ({}, {}), [type(event).__name__ for _, event in story]


@pytest.mark.parametrize("before", HIDDEN, ids=["unlisted", "private", "draft"])
@pytest.mark.parametrize("transcode", TRANSCODES, ids=["completes", "fails", "begins again"])
def test_a_hidden_upload_is_listed_at_no_moment(before: Story, transcode: Story) -> None:
    others = [change for change in CHANGES if not isinstance(change[1], VisibilityChanged)]
    for story in merges(transcode, others):
        for length in range(1, len(story) + 1):
            fold = folded(before + story[:length])
            video = fold.videos["v"]
            assert not video.listed
            assert not any(row.listed or row.public for row in tag_rows(video))


@pytest.mark.parametrize("before", HIDDEN, ids=["unlisted", "private", "draft"])
def test_what_is_published_is_listed_once_it_plays(before: Story) -> None:
    found = set()
    for story in merges(COMPLETES, PUBLISHED):
        for length in range(1, len(story) + 1):
            video = folded(before + story[:length]).videos["v"]
            assert video.listed == (video.visibility == "public" and video.playable)
        found.add(state(folded(before + story)))
    assert len(found) == 1


@pytest.mark.parametrize("shown", ["public", "unlisted"])
def test_a_published_draft_is_as_new_as_its_publication(shown: Visibility) -> None:
    day = timedelta(days=1)
    uploaded_at = AT + 2 * day
    draft = HIDDEN[2]
    publish = ("video-v", VisibilityChanged(video_id="v", visibility=shown))
    still = ("video-v", VisibilityChanged(video_id="v", visibility="draft", publish_at=AT))
    hide = ("video-v", VisibilityChanged(video_id="v", visibility="private"))
    for story, expected in (
        ([*draft, *COMPLETES], uploaded_at),
        ([*draft, still, *COMPLETES], uploaded_at),
        ([*draft, still, publish], AT + 4 * day),
        ([*draft, publish, hide, publish], AT + 3 * day),
        # What was shown, or hidden otherwise, is not new.
        ([*HIDDEN[1], publish], uploaded_at),
        ([*draft, hide], uploaded_at),
    ):
        fold = folded(story, apart=day)
        assert fold.videos["v"].created_at == expected
        assert fold.jobs["v"].created_at == uploaded_at
        assert {row.created_at for row in tag_rows(fold.videos["v"])} == {expected}


@pytest.mark.parametrize("transcode", TRANSCODES, ids=["completes", "fails", "begins again"])
def test_nothing_of_a_deleted_account_is_listed(transcode: Story) -> None:
    for story in merges(transcode + PUBLISHED, LEAVES):
        assert not folded(BEFORE + story).videos["v"].listed


def test_the_feed_tells_the_same_events_whatever_their_order() -> None:
    def told(story: Story) -> list[str]:
        return sorted(row.type for row in folded(BEFORE + story).feed)

    assert len({tuple(told(story)) for story in merges(COMPLETES, CHANGES)}) == 1


@pytest.mark.parametrize("transcode", TRANSCODES, ids=["completes", "fails", "begins again"])
def test_the_feed_of_a_deleted_account_stays_empty(transcode: Story) -> None:
    """Its webhooks read the feed, and its videos go on for a moment."""
    for story in merges(transcode + DELETED, LEAVES):
        fold = folded(BEFORE + story)
        assert fold.feed == [], [type(event).__name__ for _, event in story]
        assert fold.users["u"].deleted
