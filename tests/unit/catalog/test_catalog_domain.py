"""The decider of a video: given events, when a command, then these events."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from services.catalog.captions import MAX_CAPTIONS
from services.catalog.domain import (
    AddTags,
    BinVideo,
    CaptionsNotFound,
    ChangeDetails,
    ChangeVisibility,
    CloseAccount,
    Command,
    CountViews,
    DeleteBinned,
    DeleteVideo,
    EmptyBin,
    NotYourVideo,
    PublishDraft,
    RemoveCaptions,
    RemoveTag,
    RestoreVideo,
    StoreCaptions,
    TagNotFound,
    TakeCaptions,
    TooManyCaptions,
    TooManyTags,
    VideoNotFound,
    decide,
    evolve,
    initial,
)
from shared.contracts import (
    CaptionsRemoved,
    CaptionsStored,
    CaptionTrack,
    DetailsChanged,
    Event,
    StoredObject,
    TagRemoved,
    TagsAdded,
    VideoBinned,
    VideoDeleted,
    VideoRestored,
    ViewsCounted,
    Visibility,
    VisibilityChanged,
)
from shared.errors import InvalidInput
from tests.support.catalog_events import uploaded

UPLOADED = uploaded("v", "ada", "Title", tags=("Sea",))
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
TOMORROW = NOW + timedelta(days=1)
DELETED = VideoDeleted(video_id="v", user_id="ada", deleted_by="owner")


def when(command: Command, *given: Event) -> Sequence[Event]:
    video = initial()
    for event in given:
        video = evolve(video, event)
    return decide(video, command)


def test_details_change() -> None:
    assert when(ChangeDetails("ada", "  New \n title ", " text "), UPLOADED) == [
        DetailsChanged(video_id="v", title="New title", description="text")
    ]


def test_the_same_details_change_nothing() -> None:
    changed = DetailsChanged(video_id="v", title="New", description="text")
    assert when(ChangeDetails("ada", "New", "text"), UPLOADED, changed) == []


@pytest.mark.parametrize(
    ("title", "description"),
    [("", ""), (" \t", ""), ("x" * 201, ""), ("x", "y" * 5001), ("a\x07", ""), ("x", "\x00")],
)
def test_details_must_fit(title: str, description: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        when(ChangeDetails("ada", title, description), UPLOADED)
    assert refused.value.details[0].field in {"title", "description"}


def test_lengths_are_counted_in_characters() -> None:
    assert when(ChangeDetails("ada", "é" * 200, "東" * 5000), UPLOADED)


def test_tags_are_added_once_whatever_their_case() -> None:
    assert when(AddTags("ada", ("sea", " Big  sky ", "BIG SKY")), UPLOADED) == [
        TagsAdded(video_id="v", tags=("Big sky",))
    ]
    assert when(AddTags("ada", ("SEA",)), UPLOADED) == []


@pytest.mark.parametrize("tags", [(), tuple("abcdefghijk"), ("x" * 51,), ("",)])
def test_tags_must_fit(tags: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput):
        when(AddTags("ada", tags), UPLOADED)


def test_a_video_has_room_for_fifty_tags() -> None:
    many = TagsAdded(video_id="v", tags=tuple(f"tag {n}" for n in range(48)))
    last = TagsAdded(video_id="v", tags=("the last",))
    assert when(AddTags("ada", ("the last",)), UPLOADED, many) == [last]
    many = TagsAdded(video_id="v", tags=(*many.tags, *last.tags))
    with pytest.raises(TooManyTags):
        when(AddTags("ada", ("one more",)), UPLOADED, many)


def test_a_tag_is_removed_as_it_was_written() -> None:
    assert when(RemoveTag("ada", "sea"), UPLOADED) == [TagRemoved(video_id="v", tag="Sea")]
    with pytest.raises(TagNotFound):
        when(RemoveTag("ada", "sea"), UPLOADED, TagRemoved(video_id="v", tag="Sea"))


def change(visibility: Visibility, at: datetime | None = None, by: str = "ada") -> Command:
    return ChangeVisibility(by, visibility, at, NOW)


def test_visibility_changes_once() -> None:
    private = VisibilityChanged(video_id="v", visibility="private")
    assert when(change("private"), UPLOADED) == [private]
    assert when(change("private"), UPLOADED, private) == []


def test_a_draft_becomes_public_when_its_time_has_come() -> None:
    draft = VisibilityChanged(video_id="v", visibility="draft", publish_at=TOMORROW)
    public = VisibilityChanged(video_id="v", visibility="public")
    assert when(change("draft", TOMORROW), UPLOADED) == [draft]
    assert when(change("draft", TOMORROW), UPLOADED, draft) == []
    assert when(PublishDraft(NOW), UPLOADED, draft) == []
    assert when(PublishDraft(TOMORROW), UPLOADED, draft) == [public]
    assert when(PublishDraft(TOMORROW), UPLOADED, draft, public) == []
    forever = VisibilityChanged(video_id="v", visibility="draft")
    assert when(change("draft"), UPLOADED, draft) == [forever]
    assert when(PublishDraft(TOMORROW), UPLOADED, draft, forever) == []
    private = VisibilityChanged(video_id="v", visibility="private")
    assert when(PublishDraft(TOMORROW), UPLOADED, draft, private) == []
    with pytest.raises(VideoNotFound):
        when(PublishDraft(TOMORROW), UPLOADED, draft, DELETED)


def test_an_upload_may_begin_as_a_draft() -> None:
    draft = msgspec.structs.replace(UPLOADED, visibility="draft", publish_at=TOMORROW)
    assert when(change("draft", TOMORROW), draft) == []
    assert when(PublishDraft(TOMORROW), draft) == [
        VisibilityChanged(video_id="v", visibility="public")
    ]


@pytest.mark.parametrize(
    ("visibility", "at"),
    [
        ("draft", NOW),
        ("draft", NOW - timedelta(days=1)),
        ("draft", NOW + timedelta(days=367)),
        ("draft", datetime(2026, 1, 2)),
        ("draft", datetime.max.replace(tzinfo=timezone(timedelta(hours=-14)))),
        ("public", TOMORROW),
        ("unlisted", TOMORROW),
        ("private", TOMORROW),
    ],
)
def test_times_at_which_nothing_can_be_published(visibility: Visibility, at: datetime) -> None:
    with pytest.raises(InvalidInput) as refused:
        when(change(visibility, at), UPLOADED)
    assert [detail.field for detail in refused.value.details] == ["publish_at"]


def test_deletion() -> None:
    assert when(DeleteVideo("ada"), UPLOADED) == [DELETED]


BINNED = VideoBinned(video_id="v", user_id="ada", delete_at=TOMORROW)
RESTORED = VideoRestored(video_id="v", user_id="ada")


def test_the_bin() -> None:
    assert when(BinVideo("ada", TOMORROW), UPLOADED) == [BINNED]
    assert when(RestoreVideo("ada"), UPLOADED, BINNED) == [RESTORED]
    assert when(BinVideo("ada", TOMORROW), UPLOADED, BINNED, RESTORED) == [BINNED]
    assert when(DeleteBinned("ada"), UPLOADED, BINNED) == [DELETED]
    for out in (RestoreVideo("ada"), DeleteBinned("ada")):
        for history in ([UPLOADED], [UPLOADED, BINNED, RESTORED], [UPLOADED, BINNED, DELETED]):
            with pytest.raises(VideoNotFound):
                when(out, *history)


@pytest.mark.parametrize(
    "command",
    [
        *(ChangeDetails("ada", "x", ""), AddTags("ada", ("x",)), DeleteVideo("ada")),
        *(BinVideo("ada", TOMORROW), CountViews(1, "b"), RestoreVideo("eve")),
        *(DeleteBinned("eve"), ChangeDetails("eve", "x", "")),
    ],
)
def test_what_is_in_the_bin_is_there_for_nobody_and_nothing_else(command: Command) -> None:
    with pytest.raises(VideoNotFound):
        when(command, UPLOADED, BINNED)


def test_the_bin_is_emptied_when_it_is_time() -> None:
    before = TOMORROW - timedelta(seconds=1)
    assert when(EmptyBin(before), UPLOADED, BINNED) == []
    assert when(EmptyBin(TOMORROW), UPLOADED, BINNED) == [DELETED]
    assert when(EmptyBin(TOMORROW), UPLOADED, BINNED, RESTORED) == []
    gone = VideoDeleted(video_id="v", user_id="ada", deleted_by="account")
    assert when(CloseAccount(), UPLOADED, BINNED) == [gone]


def test_a_draft_in_the_bin_is_not_published() -> None:
    draft = VisibilityChanged(video_id="v", visibility="draft", publish_at=TOMORROW)
    due = PublishDraft(TOMORROW)
    public = VisibilityChanged(video_id="v", visibility="public")
    assert when(due, UPLOADED, draft, BINNED) == []
    assert when(due, UPLOADED, draft, BINNED, RESTORED) == [public]


def test_a_closed_account_deletes_what_is_left() -> None:
    gone = VideoDeleted(video_id="v", user_id="ada", deleted_by="account")
    assert when(CloseAccount(), UPLOADED) == [gone]
    assert when(CloseAccount(), UPLOADED, DELETED) == []
    assert when(CloseAccount()) == []


def test_views_are_counted_in_batches() -> None:
    assert when(CountViews(7, "b"), UPLOADED) == [ViewsCounted(video_id="v", count=7, batch_id="b")]


COMMANDS = [
    ChangeDetails("eve", "x", ""),
    AddTags("eve", ("x",)),
    RemoveTag("eve", "Sea"),
    change("private", by="eve"),
    DeleteVideo("eve"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_others_may_do_nothing(command: Command) -> None:
    with pytest.raises(NotYourVideo):
        when(command, UPLOADED)


@pytest.mark.parametrize("visibility", ["private", "draft"])
@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_hidden_does_not_exist_for_others(command: Command, visibility: Visibility) -> None:
    hidden = VisibilityChanged(video_id="v", visibility=visibility)
    with pytest.raises(VideoNotFound):
        when(command, UPLOADED, hidden)
    with pytest.raises(VideoNotFound):
        when(command, msgspec.structs.replace(UPLOADED, visibility=visibility))


@pytest.mark.parametrize("command", [*COMMANDS, PublishDraft(NOW), CountViews(1, "b")])
def test_nothing_can_be_done_to_what_is_not_there(command: Command) -> None:
    with pytest.raises(VideoNotFound):
        when(command)
    with pytest.raises(VideoNotFound):
        when(command, UPLOADED, DELETED)


def captions(language: str, size: int = 7) -> CaptionTrack:
    fact = StoredObject(key=f"v/captions/{language}-{size}.vtt", size=size, sha256="00")
    return CaptionTrack(language=language, kind="captions", label=language, object=fact)


def test_captions_are_stored_replaced_and_removed() -> None:
    first = CaptionsStored(video_id="v", track=captions("en"))
    assert when(StoreCaptions("ada", captions("en")), UPLOADED) == [first]
    other = CaptionsStored(video_id="v", track=captions("de", 9))
    again = CaptionsStored(video_id="v", track=captions("en", 5), replaced_bytes=7)
    assert when(StoreCaptions("ada", captions("en", 5)), UPLOADED, first, other) == [again]
    removed = CaptionsRemoved(video_id="v", language="en", removed_bytes=5)
    assert when(RemoveCaptions("ada", "en"), UPLOADED, first, again) == [removed]
    for given in ((), (first, removed)):
        with pytest.raises(CaptionsNotFound):
            when(RemoveCaptions("ada", "en"), UPLOADED, *given)


def test_a_video_has_captions_in_so_many_languages() -> None:
    given = [
        CaptionsStored(video_id="v", track=captions(f"{chr(97 + n // 26)}{chr(97 + n % 26)}"))
        for n in range(MAX_CAPTIONS)
    ]
    with pytest.raises(TooManyCaptions):
        when(StoreCaptions("ada", captions("zz")), UPLOADED, *given)
    assert when(StoreCaptions("ada", captions("aa", 3)), UPLOADED, *given)


def test_captions_are_the_owners() -> None:
    for command in (StoreCaptions("bob", captions("en")), RemoveCaptions("bob", "en")):
        with pytest.raises(NotYourVideo):
            when(command, UPLOADED)
        with pytest.raises(VideoNotFound):
            when(command, UPLOADED, DELETED)


def of_file(language: str, size: int = 7) -> CaptionTrack:
    fact = StoredObject(key=f"v/captions/{language}-f{size}.vtt", size=size, sha256=f"f{size}")
    return CaptionTrack(
        language=language, kind="subtitles", label=language, object=fact, origin="file"
    )


def test_text_tracks_of_the_source_become_captions_but_never_over_a_persons() -> None:
    mine = CaptionsStored(video_id="v", track=captions("en"))
    gone = CaptionsRemoved(video_id="v", language="de", removed_bytes=1)
    found = tuple(of_file(language) for language in ("de", "en", "fr"))
    first = CaptionsStored(video_id="v", track=of_file("fr"))
    stored = CaptionsStored(video_id="v", track=captions("de"))
    assert when(TakeCaptions(found), UPLOADED, mine, stored, gone) == [first]
    assert when(TakeCaptions(found), UPLOADED, mine, stored, gone, first) == []
    again = (of_file("fr", 9),)
    assert when(TakeCaptions(again), UPLOADED, first) == [
        CaptionsStored(video_id="v", track=again[0], replaced_bytes=7)
    ]
    edited = CaptionsStored(video_id="v", track=captions("fr"), replaced_bytes=7)
    assert when(TakeCaptions(again), UPLOADED, first, edited) == []
    removed = CaptionsRemoved(video_id="v", language="fr", removed_bytes=7)
    assert when(TakeCaptions(again), UPLOADED, first, removed) == []


def test_text_tracks_beyond_the_limit_are_left() -> None:
    given = [
        CaptionsStored(video_id="v", track=captions(f"q{chr(97 + n // 26)}{chr(97 + n % 26)}"))
        for n in range(MAX_CAPTIONS - 1)
    ]
    found = (of_file("de"), of_file("en"))
    assert when(TakeCaptions(found), UPLOADED, *given) == [
        CaptionsStored(video_id="v", track=of_file("de"))
    ]
