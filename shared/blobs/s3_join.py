"""Plans how objects are joined into one inside the storage, without a download. Pure.

S3 refuses parts under 5 MiB except for the last one. Small objects are therefore read and put
together in one part, which also takes the beginning of the next large object if it is too small.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from shared.blobs.s3_multipart import MIN_PART
from shared.blobs.store import Piece

MAX_COPY: Final = 1 << 30
"""S3 copies at most 5 GiB in one request; a gibibyte keeps each request short."""


class Span(msgspec.Struct, frozen=True):
    """The bytes of an object from ``start`` (included) to ``end`` (excluded)."""

    key: str
    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start


def parts_of(pieces: Iterable[Piece]) -> list[tuple[Span, ...]]:
    """The parts of an object that holds ``pieces`` in this order.

    The storage can copy a part of one span; a part of several spans has to be read and put.
    """
    parts: list[tuple[Span, ...]] = []
    gathered: list[Span] = []
    for piece in pieces:
        start = 0
        while start < piece.size:
            missing = MIN_PART - sum(span.size for span in gathered)
            whole = not gathered and piece.size - start >= MIN_PART
            end = min(piece.size, start + (MAX_COPY if whole else missing))
            gathered.append(Span(piece.key, start, end))
            if whole or end - start == missing:
                parts.append(tuple(gathered))
                gathered = []
            start = end
    return [*parts, tuple(gathered)] if gathered else parts
