"""Keys of the objects in the media bucket, and how long they may be cached. Pure."""

import re
from typing import Final

# Keys contain a hash of the contents, so the object under a key never changes.
IMMUTABLE: Final = "public, max-age=31536000, immutable"
_STORYBOARD: Final = "storyboard.vtt"
_MARKED: Final = re.compile(r"(?:init|poster|preview|[0-9]+)-([0-9a-f]{12})\.[a-z0-9]+")


def attempt_prefix(video_id: str, attempt: int) -> str:
    """The folder of an attempt's objects in the media bucket."""
    return f"{video_id}/a{attempt}"


def content_mark(key: str) -> str | None:
    """The first digits of the SHA-256 of the object, which most keys contain; None for others."""
    found = _MARKED.fullmatch(key.rpartition("/")[2])
    return found[1] if found else None


def sprite_key(prefix: str, chunk: int) -> str:
    """The key of a chunk's sprite."""
    return f"{prefix}/storyboard/{chunk:05d}.webp"


def storyboard_key(prefix: str) -> str:
    """The key of the storyboard's WebVTT file."""
    return f"{prefix}/{_STORYBOARD}"


def captions_key(video_id: str, language: str, mark: str) -> str:
    """The key of a file of captions; ``mark`` is used once."""
    return f"{video_id}/captions/{language}-{mark}.vtt"


def is_of_captions(video_id: str, key: str) -> bool:
    """Whether the object is a file of captions: the video's own stream names it."""
    return key.startswith(f"{video_id}/captions/")


def is_of_live(video_id: str, key: str) -> bool:
    """Whether live has written the object: a session's log names it, and no transcode does. It is
    deleted with the video, and not before."""
    return key.startswith(f"{video_id}/live/")
