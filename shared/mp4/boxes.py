"""Walks the boxes of an ISO base media file (ISO/IEC 14496-12, 4.2). Pure."""

import struct
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

# A day in single segments has 43,200 boxes at one level. Each box takes memory where they are
# listed, and a box may be as small as 8 bytes.
MAX_BOXES: Final = 100_000


class MalformedMp4(Exception):
    """The bytes are not the MP4 that was expected."""


class SamplesMissing(MalformedMp4):
    """The file is smaller than the samples that its index states."""


@contextmanager
def parsing() -> Generator[None]:
    """Turn the errors of reading past the end of a table into MalformedMp4."""
    try:
        yield
    except (struct.error, IndexError, ValueError, ZeroDivisionError, OverflowError) as error:
        raise MalformedMp4(f"a table is cut off: {error}") from error


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
    """The boxes between two offsets, up to the first incomplete one. Raises MalformedMp4."""
    limit = len(data) if end is None else end
    found = 0
    while start + 8 <= limit:
        if found == MAX_BOXES:
            raise MalformedMp4(f"more than {MAX_BOXES} boxes at one level")
        found += 1
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
