"""The bytes of an upload that do not fill a part yet, in pieces. Pure.

Each piece is an object. A new piece swallows those before it that are not clearly larger, so a
piece is more than twice as large as the next one: a tail of any size has a few pieces, and a byte
is stored again a few dozen times at most, however small the requests are that bring the others.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

SEPARATOR: Final = " "


class Piece(msgspec.Struct, frozen=True):
    """An object of consecutive bytes; ``size`` in bytes."""

    key: str
    size: int


def keys_of(tail_key: str | None) -> list[str]:
    """The objects that a row names, in the order of their bytes."""
    return tail_key.split(SEPARATOR) if tail_key else []


def named(pieces: Sequence[Piece]) -> str | None:
    """How a row names its pieces.

    One piece is named as versions without pieces name a tail. Several are the name of no object,
    so such a version fails to read them and changes nothing.
    """
    return SEPARATOR.join(piece.key for piece in pieces) or None


def piece_key(prefix: str, epoch: int, end: int) -> str:
    """The key of the piece whose bytes end at offset ``end`` of the upload."""
    return f"{prefix}{epoch}-{end}"


def pieces_of(tail_key: str | None, received: int, tail_size: int) -> tuple[Piece, ...]:
    """The pieces that a row names; the end of each is in its key, that of the last is received."""
    keys = keys_of(tail_key)
    ends = [int(key.rpartition("-")[2]) for key in keys[:-1]] + [received]
    starts = [received - tail_size, *ends[:-1]]
    return tuple(
        Piece(key, end - start) for key, start, end in zip(keys, starts, ends, strict=False)
    )


def swallowed(pieces: Sequence[Piece], size: int) -> int:
    """How many of the last pieces become one with a new one of ``size`` bytes."""
    count = 0
    while count < len(pieces) and pieces[-1 - count].size <= 2 * size:
        count += 1
        size += pieces[-count].size
    return count


def size_of(pieces: Sequence[Piece]) -> int:
    """The bytes of all pieces."""
    return sum(piece.size for piece in pieces)
