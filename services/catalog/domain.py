"""A video as its owner governs it: details, tags, visibility, views, deletion. Pure."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

import msgspec

from shared.contracts import (
    DetailsChanged,
    Event,
    TagRemoved,
    TagsAdded,
    VideoDeleted,
    VideoUploaded,
    ViewsCounted,
    Visibility,
    VisibilityChanged,
)
from shared.errors import Detail, Forbidden, InvalidInput, NotFound

MAX_TITLE: Final = 100
MAX_DESCRIPTION: Final = 500
MAX_TAG: Final = 50
MAX_TAGS_AT_ONCE: Final = 10
MAX_TAGS: Final = 50

_SPACES: Final = re.compile(r"\s+")
_LINES: Final = frozenset("\n\t")


class VideoNotFound(NotFound):
    code = "video_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such video.")


class NotYourVideo(Forbidden):
    code = "not_your_video"

    def __init__(self) -> None:
        super().__init__("This video belongs to somebody else.")


class TagNotFound(NotFound):
    code = "tag_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such tag.")


class TooManyTags(InvalidInput):
    code = "too_many_tags"

    def __init__(self) -> None:
        super().__init__(f"A video can have at most {MAX_TAGS} tags.")


class Video(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules need to know. ``owner`` is None until the upload is known."""

    id: str = ""
    owner: str | None = None
    title: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    visibility: Visibility = "public"
    deleted: bool = False


class ChangeDetails(msgspec.Struct, frozen=True):
    caller: str
    title: str
    description: str


class AddTags(msgspec.Struct, frozen=True):
    caller: str
    tags: tuple[str, ...]


class RemoveTag(msgspec.Struct, frozen=True):
    caller: str
    tag: str


class ChangeVisibility(msgspec.Struct, frozen=True):
    caller: str
    visibility: Visibility


class DeleteVideo(msgspec.Struct, frozen=True):
    caller: str


class CloseAccount(msgspec.Struct, frozen=True):
    """The owner's account is gone, so the video goes too."""


class CountViews(msgspec.Struct, frozen=True):
    """``count`` more views; ``batch_id`` tells this batch from every other."""

    count: int
    batch_id: str


OwnersCommand = ChangeDetails | AddTags | RemoveTag | ChangeVisibility | DeleteVideo
Command = OwnersCommand | CloseAccount | CountViews


def initial() -> Video:
    """A video that nobody has heard of."""
    return Video()


def decide(video: Video, command: Command) -> Sequence[Event]:
    """The events that ``command`` leads to; none where nothing would change.

    Raises VideoNotFound, NotYourVideo, TagNotFound, TooManyTags, InvalidInput.
    """
    if isinstance(command, CloseAccount):
        return _close_account(video)
    if video.owner is None or video.deleted:
        raise VideoNotFound
    if isinstance(command, CountViews):
        return [ViewsCounted(video_id=video.id, count=command.count, batch_id=command.batch_id)]
    if video.owner != command.caller:
        raise NotYourVideo
    return _decide_for_owner(video, command)


def _decide_for_owner(  # noqa: PLR0911 - one answer per command
    video: Video, command: OwnersCommand
) -> Sequence[Event]:
    match command:
        case ChangeDetails():
            title = clean_line(command.title, "title", MAX_TITLE)
            description = clean_text(command.description, "description", MAX_DESCRIPTION)
            if (title, description) == (video.title, video.description):
                return []
            return [DetailsChanged(video_id=video.id, title=title, description=description)]
        case AddTags():
            return _add_tags(video, clean_tags(command.tags))
        case RemoveTag():
            return _remove_tag(video, command.tag)
        case ChangeVisibility():
            if command.visibility == video.visibility:
                return []
            return [VisibilityChanged(video_id=video.id, visibility=command.visibility)]
        case DeleteVideo():
            return [VideoDeleted(video_id=video.id, user_id=command.caller, deleted_by="owner")]


def _close_account(video: Video) -> Sequence[Event]:
    if video.owner is None or video.deleted:
        return []
    return [VideoDeleted(video_id=video.id, user_id=video.owner, deleted_by="account")]


def _add_tags(video: Video, tags: tuple[str, ...]) -> Sequence[Event]:
    merged = merge_tags(video.tags, tags)
    if len(merged) > MAX_TAGS:
        raise TooManyTags
    new = merged[len(video.tags) :]
    return [TagsAdded(video_id=video.id, tags=new)] if new else []


def _remove_tag(video: Video, tag: str) -> Sequence[Event]:
    key = tag_key(tag)
    for present in video.tags:
        if tag_key(present) == key:
            return [TagRemoved(video_id=video.id, tag=present)]
    raise TagNotFound


def evolve(video: Video, event: Event) -> Video:  # noqa: PLR0911 - one answer per event
    """The video after ``event``. It begins with VideoUploaded, from ingest's stream."""
    match event:
        case VideoUploaded():
            return Video(
                id=event.video_id,
                owner=event.user_id,
                title=event.title,
                description=event.description,
                tags=merge_tags((), event.tags),
            )
        case DetailsChanged():
            return msgspec.structs.replace(video, title=event.title, description=event.description)
        case TagsAdded():
            return msgspec.structs.replace(video, tags=merge_tags(video.tags, event.tags))
        case TagRemoved():
            return msgspec.structs.replace(video, tags=without_tag(video.tags, event.tag))
        case VisibilityChanged():
            return msgspec.structs.replace(video, visibility=event.visibility)
        case VideoDeleted():
            return msgspec.structs.replace(video, deleted=True)
        case _:
            return video


def tag_key(tag: str) -> str:
    """What makes two tags the same: neither case, width nor spacing tells them apart."""
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", tag)).strip().casefold()


def merge_tags(tags: tuple[str, ...], more: Sequence[str]) -> tuple[str, ...]:
    """``tags`` followed by those of ``more`` that are not among them yet."""
    merged = {tag_key(tag): tag for tag in tags}
    for tag in more:
        merged.setdefault(tag_key(tag), tag)
    return tuple(merged.values())


def without_tag(tags: tuple[str, ...], tag: str) -> tuple[str, ...]:
    """``tags`` without ``tag``."""
    key = tag_key(tag)
    return tuple(present for present in tags if tag_key(present) != key)


def clean_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """1 to 10 tags of 1 to 50 characters, trimmed. Raises InvalidInput."""
    if not 1 <= len(tags) <= MAX_TAGS_AT_ONCE:
        message = f"Give 1 to {MAX_TAGS_AT_ONCE} tags."
        raise InvalidInput(message, [Detail("tags", message)])
    return merge_tags((), [clean_line(tag, "tags", MAX_TAG) for tag in tags])


def clean_line(value: str, field: str, longest: int) -> str:
    """One line of 1 to ``longest`` characters, trimmed. Raises InvalidInput."""
    line = _SPACES.sub(" ", value).strip()
    # Invisible characters alone would leave a title that nobody can see or click.
    if not any(unicodedata.category(character)[0] not in "CZM" for character in line):
        raise _invalid(field, "must not be empty")
    return _checked(line, field, longest)


def clean_text(value: str, field: str, longest: int) -> str:
    """Text of several lines, possibly empty, trimmed. Raises InvalidInput."""
    return _checked(value.replace("\r\n", "\n").strip(), field, longest)


def _checked(text: str, field: str, longest: int) -> str:
    if len(text) > longest:
        raise _invalid(field, f"must have at most {longest} characters")
    if any(
        unicodedata.category(character) in ("Cc", "Cs") and character not in _LINES
        for character in text
    ):
        raise _invalid(field, "must not contain control characters")
    return text


def _invalid(field: str, what: str) -> InvalidInput:
    return InvalidInput(f"The {field} {what}.", [Detail(field, what)])
