"""Where the bytes of an MP4 file lie that is put together of a video's objects. Pure.

The transcoder stores an index beside the objects: the file's beginning, with its tables, and behind
it this list. The gateway sends the beginning and then the runs, one after the other.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

MAX_BYTES: Final = 1024 * 1024
"""The most bytes of a list: a film of a day in objects of 28 s has a third of it."""


class Run(msgspec.Struct, frozen=True, array_like=True):
    """Bytes ``start`` to ``start + size`` of an object, by its place in the list of objects."""

    holder: int
    start: int
    size: int


class DownloadIndex(msgspec.Struct, frozen=True):
    """Everything but the file's beginning: keys of objects, and the runs of bytes out of them."""

    objects: tuple[str, ...]
    runs: tuple[Run, ...]

    @property
    def size(self) -> int:
        """Bytes of all runs."""
        return sum(run.size for run in self.runs)


class DownloadPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where a file's bytes are, as the catalog tells the gateway.

    ``index``: the key of the object that has the file's beginning and the list, of ``index_bytes``;
    ``head``: bytes of the beginning; ``size``: of the whole file. ``disposition``: the header.
    """

    video_id: str
    index: str
    index_bytes: int
    head: int
    size: int
    etag: str
    disposition: str


class Part(msgspec.Struct, frozen=True):
    """Bytes ``first`` to ``last`` of the object ``key``."""

    key: str
    first: int
    last: int


def write_index(index: DownloadIndex) -> bytes:
    """What is stored behind the file's beginning."""
    return msgspec.json.encode(index)


def read_index(data: bytes, video_id: str) -> DownloadIndex | None:
    """The list; None where it is none, or names what is not of this video."""
    try:
        found = msgspec.json.decode(data, type=DownloadIndex)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    own = all(key.startswith(f"{video_id}/") for key in found.objects)
    fits = all(
        0 <= run.holder < len(found.objects) and run.start >= 0 and run.size > 0
        for run in found.runs
    )
    return found if own and fits else None


def parts(begin: Part, index: DownloadIndex, first: int, last: int) -> Iterator[Part]:
    """What has the bytes ``first`` to ``last`` of the file, in order.

    ``begin``: the file's beginning.
    """
    objects = (Part(index.objects[r.holder], r.start, r.start + r.size - 1) for r in index.runs)
    at = 0
    for part in (begin, *objects):
        size = part.last + 1 - part.first
        lower, upper = max(first - at, 0), min(last - at, size - 1)
        if lower <= upper:
            yield Part(part.key, part.first + lower, part.first + upper)
        at += size
        if at > last:
            return
