"""Who sees a session's video, as far as the video's own events say. Pure."""

import msgspec

from shared.contracts import VideoBinned, VideoDeleted, VideoRestored, Visibility, VisibilityChanged
from shared.event_store.store import RecordedEvent, Unreadable


class VideoShown(msgspec.Struct, frozen=True):
    """``visibility`` is None where it is as its session has it; ``unclear``: a newer version has
    said something that this one cannot read, which may have hidden it. ``binned``: nobody sees it
    for now."""

    visibility: Visibility | None = None
    unclear: bool = False
    binned: bool = False
    deleted: bool = False


def evolve(shown: VideoShown, recorded: RecordedEvent) -> VideoShown:
    """After another event of the video."""
    replace = msgspec.structs.replace
    if recorded.type == VideoDeleted.__name__:
        return replace(shown, deleted=True)
    match recorded.data:
        case Unreadable():
            return replace(shown, unclear=True)
        case VideoBinned():
            return replace(shown, binned=True)
        case VideoRestored():
            return replace(shown, binned=False)
        case VisibilityChanged(visibility=visibility):
            return replace(shown, visibility=visibility)
        case _:
            return shown
