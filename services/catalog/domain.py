"""The decider of a video: details, tags, visibility, views, the bin, deletion. Pure."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, TypeVar

import msgspec

from services.catalog.captions import (
    MAX_CAPTIONS,
    captions_in,
    takeable,
    with_captions,
    with_removed,
)
from shared import text_rules
from shared.contracts import (
    SHOWN_TO_OTHERS,
    CaptionsRemoved,
    CaptionsStored,
    CaptionTrack,
    DetailsChanged,
    Downloads,
    DownloadsChanged,
    Event,
    LiveClipMade,
    LiveConnected,
    LiveEnded,
    TagRemoved,
    TagsAdded,
    VideoBinned,
    VideoDeleted,
    VideoRestored,
    VideoUploaded,
    ViewsCounted,
    Visibility,
    VisibilityChanged,
)
from shared.errors import Detail, Forbidden, InvalidInput, NotFound
from shared.publication import check_publication, utc
from shared.text_rules import RefusedText, merge_tags, tag_key, without_tag

MAX_TAGS: Final = 50
"""The limit of tags of one video."""

_Value = TypeVar("_Value")
_Cleaned = TypeVar("_Cleaned")


class VideoNotFound(NotFound):
    code = "video_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such video.")


class NotYourVideo(Forbidden):
    code = "not_your_video"

    def __init__(self) -> None:
        super().__init__("This video belongs to another user.")


class TagNotFound(NotFound):
    code = "tag_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such tag.")


class TooManyTags(InvalidInput):
    code = "too_many_tags"

    def __init__(self) -> None:
        super().__init__(f"A video can have at most {MAX_TAGS} tags.")


class TooManyCaptions(InvalidInput):
    code = "too_many_captions"

    def __init__(self) -> None:
        super().__init__(f"A video can have captions in at most {MAX_CAPTIONS} languages.")


class CaptionsNotFound(NotFound):
    code = "captions_not_found"

    def __init__(self) -> None:
        super().__init__("This video has no captions in this language.")


class Video(msgspec.Struct, frozen=True, kw_only=True):
    """The state that ``decide`` needs. ``owner`` is None before there is a video.

    ``running``: it is a live that has not ended. ``delete_at``: it is in the bin until then.
    """

    id: str = ""
    owner: str | None = None
    title: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    visibility: Visibility = "public"
    publish_at: datetime | None = None
    downloads: Downloads | None = None
    captions: tuple[CaptionTrack, ...] = ()
    captions_removed: tuple[str, ...] = ()
    running: bool = False
    delete_at: datetime | None = None
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
    """``publish_at``: when a draft becomes public by itself."""

    caller: str
    visibility: Visibility
    publish_at: datetime | None
    now: datetime


class ChangeDownloads(msgspec.Struct, frozen=True):
    caller: str
    downloads: Downloads


class StoreCaptions(msgspec.Struct, frozen=True):
    """The file is in the bucket."""

    caller: str
    track: CaptionTrack


class RemoveCaptions(msgspec.Struct, frozen=True):
    caller: str
    language: str


class TakeCaptions(msgspec.Struct, frozen=True):
    """The source's own text tracks were read, and their files are in the bucket."""

    tracks: tuple[CaptionTrack, ...]


class BinVideo(msgspec.Struct, frozen=True):
    """Deletes the video for everybody, and at ``delete_at`` for good. A live that is running is
    over with it, and cannot be taken back."""

    caller: str
    delete_at: datetime


class RestoreVideo(msgspec.Struct, frozen=True):
    """Takes the video out of the bin."""

    caller: str


class DeleteBinned(msgspec.Struct, frozen=True):
    """Deletes for good what is in the bin."""

    caller: str


class DeleteVideo(msgspec.Struct, frozen=True):
    """Deletes for good, without the bin."""

    caller: str


class EmptyBin(msgspec.Struct, frozen=True):
    """Deletes for good what is due by ``now``."""

    now: datetime


class CloseAccount(msgspec.Struct, frozen=True):
    """Deletes the video because its owner's account is deleted."""


class PublishDraft(msgspec.Struct, frozen=True):
    """Makes a draft public whose time has come."""

    now: datetime


class CountViews(msgspec.Struct, frozen=True):
    """Adds ``count`` views; ``batch_id`` identifies the batch."""

    count: int
    batch_id: str


OwnersCommand = (
    ChangeDetails
    | AddTags
    | RemoveTag
    | ChangeVisibility
    | ChangeDownloads
    | StoreCaptions
    | RemoveCaptions
    | BinVideo
    | RestoreVideo
    | DeleteBinned
    | DeleteVideo
)
Command = OwnersCommand | CloseAccount | PublishDraft | EmptyBin | TakeCaptions | CountViews


def initial() -> Video:
    """The state before the first event."""
    return Video()


def decide(video: Video, command: Command) -> Sequence[Event]:
    """The events that ``command`` causes; none if it changes nothing.

    Raises VideoNotFound (also for another's video that is not shown to others), NotYourVideo,
    TagNotFound, TooManyTags, CaptionsNotFound, TooManyCaptions, InvalidInput.
    """
    if isinstance(command, CloseAccount):
        return _close_account(video)
    if video.owner is None or video.deleted:
        raise VideoNotFound
    binned = video.delete_at is not None
    match command:
        case CountViews() if not binned:
            return [ViewsCounted(video_id=video.id, count=command.count, batch_id=command.batch_id)]
        case CountViews():
            raise VideoNotFound
        case PublishDraft():
            return [] if binned else _publish_draft(video, command)
        case EmptyBin():
            return _empty_bin(video, command)
        case TakeCaptions():
            return _take_captions(video, command.tracks)
        case _:
            pass
    if video.owner != command.caller:
        shown = video.visibility in SHOWN_TO_OTHERS and not binned
        raise NotYourVideo if shown else VideoNotFound
    # What is in the bin is there for nothing else, and what is not cannot be taken out.
    if binned != isinstance(command, RestoreVideo | DeleteBinned):
        raise VideoNotFound
    return _decide_for_owner(video, command)


def _decide_for_owner(  # noqa: PLR0911 - one answer per command
    video: Video, command: OwnersCommand
) -> Sequence[Event]:
    match command:
        case ChangeDetails():
            return _change_details(video, command)
        case AddTags():
            return _add_tags(video, clean_tags(command.tags))
        case RemoveTag():
            return _remove_tag(video, command.tag)
        case ChangeVisibility():
            return _change_visibility(video, command)
        case ChangeDownloads():
            changed = command.downloads != video.downloads
            event = DownloadsChanged(video_id=video.id, downloads=command.downloads)
            return [event] if changed else []
        case StoreCaptions():
            return _store_captions(video, command.track)
        case RemoveCaptions():
            return _remove_captions(video, command.language)
        case BinVideo() if not video.running:
            return [
                VideoBinned(video_id=video.id, user_id=command.caller, delete_at=command.delete_at)
            ]
        case RestoreVideo():
            return [VideoRestored(video_id=video.id, user_id=command.caller)]
        case BinVideo() | DeleteBinned() | DeleteVideo():
            return [VideoDeleted(video_id=video.id, user_id=command.caller, deleted_by="owner")]


def _change_details(video: Video, command: ChangeDetails) -> Sequence[Event]:
    title = _clean("title", text_rules.clean_title, command.title)
    description = _clean("description", text_rules.clean_description, command.description)
    if (title, description) == (video.title, video.description):
        return []
    return [DetailsChanged(video_id=video.id, title=title, description=description)]


def _change_visibility(video: Video, command: ChangeVisibility) -> Sequence[Event]:
    publish_at = command.publish_at and _clean("publish_at", utc, command.publish_at)
    if (command.visibility, publish_at) == (video.visibility, video.publish_at):
        return []

    def check(moment: datetime | None) -> None:
        check_publication(command.visibility, moment, command.now)

    _clean("publish_at", check, publish_at)
    return [
        VisibilityChanged(video_id=video.id, visibility=command.visibility, publish_at=publish_at)
    ]


def _publish_draft(video: Video, command: PublishDraft) -> Sequence[Event]:
    due = video.publish_at is not None and video.publish_at <= command.now
    if video.visibility != "draft" or not due:
        return []
    return [VisibilityChanged(video_id=video.id, visibility="public")]


def _empty_bin(video: Video, command: EmptyBin) -> Sequence[Event]:
    if video.owner is None or video.delete_at is None or video.delete_at > command.now:
        return []
    return [VideoDeleted(video_id=video.id, user_id=video.owner, deleted_by="owner")]


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


def _take_captions(video: Video, tracks: Sequence[CaptionTrack]) -> Sequence[Event]:
    events: list[Event] = []
    for track in takeable(video.captions, video.captions_removed, tracks):
        before = captions_in(video.captions, track.language)
        replaced = before.object.size if before else 0
        events.append(CaptionsStored(video_id=video.id, track=track, replaced_bytes=replaced))
    return events


def delete_at_after(event: VideoBinned | VideoRestored) -> datetime | None:
    """Until when a video is in the bin after an event; None: it is not."""
    return event.delete_at if isinstance(event, VideoBinned) else None


def _store_captions(video: Video, track: CaptionTrack) -> Sequence[Event]:
    before = captions_in(video.captions, track.language)
    if before is None and len(video.captions) >= MAX_CAPTIONS:
        raise TooManyCaptions
    replaced = before.object.size if before else 0
    return [CaptionsStored(video_id=video.id, track=track, replaced_bytes=replaced)]


def _remove_captions(video: Video, language: str) -> Sequence[Event]:
    track = captions_in(video.captions, language)
    if track is None:
        raise CaptionsNotFound
    return [CaptionsRemoved(video_id=video.id, language=language, removed_bytes=track.object.size)]


def evolve(video: Video, event: Event) -> Video:  # noqa: PLR0911 - one answer per event
    """The video after ``event``. The first event is VideoUploaded, from the upload stream, or
    LiveConnected, from the session's."""
    match event:
        case LiveConnected() | LiveClipMade():
            return Video(
                id=event.video_id,
                owner=event.user_id,
                title=event.title,
                description=event.description,
                visibility=event.visibility,
                running=isinstance(event, LiveConnected),
            )
        case LiveEnded():
            return msgspec.structs.replace(video, running=False)
        case VideoUploaded():
            return Video(
                id=event.video_id,
                owner=event.user_id,
                title=event.title,
                description=event.description,
                tags=merge_tags((), event.tags),
                visibility=event.visibility,
                publish_at=event.publish_at,
                downloads=event.downloads,
            )
        case DetailsChanged():
            return msgspec.structs.replace(video, title=event.title, description=event.description)
        case TagsAdded():
            return msgspec.structs.replace(video, tags=merge_tags(video.tags, event.tags))
        case TagRemoved():
            return msgspec.structs.replace(video, tags=without_tag(video.tags, event.tag))
        case VisibilityChanged():
            return msgspec.structs.replace(
                video, visibility=event.visibility, publish_at=event.publish_at
            )
        case DownloadsChanged():
            return msgspec.structs.replace(video, downloads=event.downloads)
        case CaptionsStored() | CaptionsRemoved():
            return msgspec.structs.replace(
                video,
                captions=with_captions(video.captions, event),
                captions_removed=with_removed(video.captions_removed, event),
            )
        case VideoBinned() | VideoRestored():
            return msgspec.structs.replace(video, delete_at=delete_at_after(event))
        case VideoDeleted():
            return msgspec.structs.replace(video, deleted=True)
        case _:
            return video


def clean_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """The cleaned tags of a request. Raises InvalidInput for no tag or a refused one."""
    if not tags:
        message = f"Give 1 to {text_rules.MAX_TAGS} tags."
        raise InvalidInput(message, [Detail("tags", message)])
    return _clean("tags", text_rules.clean_tags, tags)


def _clean(field: str, rule: Callable[[_Value], _Cleaned], value: _Value) -> _Cleaned:
    """The result of ``rule``. Raises InvalidInput with the field's name if it refuses ``value``."""
    try:
        return rule(value)
    except RefusedText as refused:
        message = f"The {field} {refused.problem}."
        raise InvalidInput(message, [Detail(field, refused.problem)]) from None
