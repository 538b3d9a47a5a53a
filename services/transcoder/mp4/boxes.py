"""Walks the boxes of an ISO base media file (ISO/IEC 14496-12, 4.2). Pure."""

import struct
from collections.abc import Iterator

import msgspec


class MalformedMp4(Exception):
    """The bytes are not the MP4 that was expected."""


class Box(msgspec.Struct, frozen=True):
    """A box: its four-character type; start, whole size and size of the header in bytes."""

    kind: str
    start: int
    size: int
    header: int

    @property
    def body(self) -> int:
        return self.start + self.header

    @property
    def end(self) -> int:
        return self.start + self.size


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes between two offsets, up to the first incomplete one."""
    limit = len(data) if end is None else end
    while start + 8 <= limit:
        size, raw = struct.unpack_from(">I4s", data, start)
        header = 8
        if size == 1:
            if start + 16 > limit:
                return
            size = struct.unpack_from(">Q", data, start + 8)[0]
            header = 16
        elif size == 0:
            size = limit - start
        if size < header:
            raise MalformedMp4(f"box of {size} bytes at {start}")
        if start + size > limit:
            return
        yield Box(raw.decode("latin-1"), start, size, header)
        start += size


def find(data: bytes, path: tuple[str, ...], start: int = 0, end: int | None = None) -> Box:
    """The first box at ``path``, a sequence of nested types. Raises MalformedMp4."""
    for box in boxes(data, start, end):
        if box.kind != path[0]:
            continue
        if len(path) == 1:
            return box
        return find(data, path[1:], box.body, box.end)
    raise MalformedMp4(f"no {path[0]} box")
