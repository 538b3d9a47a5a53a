"""Keys of the objects in the media bucket, and how long they may be cached. Pure."""

from typing import Final

# Keys contain a hash of the contents, so the object under a key never changes.
IMMUTABLE: Final = "public, max-age=31536000, immutable"
_STORYBOARD: Final = "storyboard.vtt"


def attempt_prefix(video_id: str, attempt: int) -> str:
    """The folder of an attempt's objects in the media bucket."""
    return f"{video_id}/a{attempt}"


def sprite_key(prefix: str, chunk: int) -> str:
    """The key of a chunk's sprite."""
    return f"{prefix}/storyboard/{chunk:05d}.webp"


def storyboard_key(prefix: str) -> str:
    """The key of the storyboard's WebVTT file."""
    return f"{prefix}/{_STORYBOARD}"
