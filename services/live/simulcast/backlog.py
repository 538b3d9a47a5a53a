"""The tags that wait for one target: bounded, and cut at key pictures. Pure."""

from collections import deque
from typing import Final

import msgspec

from services.live.flv.tags import AUDIO, SCRIPT, VIDEO, Content, Tag

MAX_BYTES: Final = 8 << 20
MAX_MS: Final = 8_000
# What a tag costs beside its body.
_TAG_BYTES: Final = 128


class _Waiting(msgspec.Struct, frozen=True):
    tag: Tag
    key: bool
    header: bool


class Backlog:
    """What is too much is dropped from the front, up to a key picture, so that what follows can be
    decoded. ``dropped`` counts pictures and sounds."""

    def __init__(self, headers: dict[int, Tag]) -> None:
        """``headers``: what was said before, by kind of tag; it goes first."""
        self._tags: deque[_Waiting] = deque()
        self._headers = dict(headers)
        self._bytes = 0
        self._waits_for_key = True
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._tags)

    def add(self, tag: Tag, inside: Content | None) -> None:
        """``inside`` is None for what is no picture and no sound."""
        header = tag.kind == SCRIPT or (inside is not None and inside.header)
        key = tag.kind == VIDEO and inside is not None and inside.key and not header
        if header:
            self._headers[tag.kind] = tag
        if self._waits_for_key:
            if not key:
                return
            self._begin(tag.milliseconds)
        self._append(_Waiting(tag, key, header))
        first, last = self._tags[0].tag.milliseconds, tag.milliseconds
        if self._bytes > MAX_BYTES or last - first > MAX_MS:
            self._cut()

    def take(self) -> Tag:
        """The next tag. Raises IndexError where there is none."""
        waiting = self._tags.popleft()
        self._bytes -= len(waiting.tag.body) + _TAG_BYTES
        return waiting.tag

    def restart(self) -> None:
        """Another connection begins with headers and the next key picture."""
        self._tags.clear()
        self._bytes = 0
        self._waits_for_key = True

    def _begin(self, milliseconds: int) -> None:
        self._waits_for_key = False
        for kind in (SCRIPT, VIDEO, AUDIO):
            if header := self._headers.get(kind):
                placed = Tag(header.kind, milliseconds, header.body)
                self._append(_Waiting(placed, key=False, header=True))

    def _append(self, waiting: _Waiting) -> None:
        self._tags.append(waiting)
        self._bytes += len(waiting.tag.body) + _TAG_BYTES

    def _cut(self) -> None:
        """Go on at the last key picture that waits, or at the next one."""
        tags = list(self._tags)
        keys = [at for at, waiting in enumerate(tags) if waiting.key]
        at = keys[-1] if keys and self._fits(tags[keys[-1] :]) else len(tags)
        self.dropped += sum(not waiting.header for waiting in tags[:at])
        self.restart()
        if at < len(tags):
            self._begin(tags[at].tag.milliseconds)
            for waiting in tags[at:]:
                self._append(waiting)

    @staticmethod
    def _fits(tags: list[_Waiting]) -> bool:
        size = sum(len(waiting.tag.body) + _TAG_BYTES for waiting in tags)
        last, first = tags[-1].tag.milliseconds, tags[0].tag.milliseconds
        return 2 * size <= MAX_BYTES and 2 * (last - first) <= MAX_MS
