"""The tags since the last key picture, for an ffmpeg that starts anew. Pure."""

from typing import Final

from services.live.flv.tags import Tag

_MAX_BYTES: Final = 32 << 20


class LastGroup:
    """Bounded: a group that is too large is forgotten, and a restart waits for the next key."""

    def __init__(self) -> None:
        self.tags: list[Tag] = []
        self._bytes = 0
        self._known = False

    def add(self, tag: Tag, *, key: bool) -> None:
        """Keep a tag that was sent; ``key``: a new group begins with it."""
        if key:
            self.tags, self._bytes, self._known = [], 0, True
        if not self._known:
            return
        self._bytes += len(tag.body)
        if self._bytes > _MAX_BYTES:
            self.forget()
        else:
            self.tags.append(tag)

    def forget(self) -> None:
        """Wait for the next key picture: this group has ended an ffmpeg twice, or is too large."""
        self.tags, self._bytes, self._known = [], 0, False
