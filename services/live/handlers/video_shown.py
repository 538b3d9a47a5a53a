"""Who sees a session's video, as far as the video's own events say. Pure."""

import msgspec

from shared.contracts import VideoDeleted, Visibility, VisibilityChanged
from shared.event_store.store import RecordedEvent, Unreadable


class VideoShown(msgspec.Struct, frozen=True):
    """``visibility`` is None where it is as its session has it; ``unclear``: a newer version has
    said something that this one cannot read, which may have hidden it."""

    visibility: Visibility | None = None
    unclear: bool = False
    deleted: bool = False


def evolve(shown: VideoShown, recorded: RecordedEvent) -> VideoShown:
    """After another event of the video."""
    replace = msgspec.structs.replace
    if recorded.type == VideoDeleted.__name__:
        return replace(shown, deleted=True)
    match recorded.data:
        case Unreadable():
            return replace(shown, unclear=True)
        case VisibilityChanged(visibility=visibility):
            return replace(shown, visibility=visibility)
        case _:
            return shown
