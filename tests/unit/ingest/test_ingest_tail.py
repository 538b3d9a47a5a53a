"""Pieces of a tail: what is named is found again, and no byte is stored often."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.tail import Piece, keys_of, named, piece_key, pieces_of, size_of, swallowed

MIB = 1024 * 1024


def appended(pieces: tuple[Piece, ...], size: int, epoch: int) -> tuple[tuple[Piece, ...], int]:
    """The pieces after a request of ``size`` bytes, and the bytes that were stored for it."""
    kept = pieces[: len(pieces) - swallowed(pieces, size)]
    stored = size_of(pieces) + size - size_of(kept)
    end = size_of(pieces) + size
    return (*kept, Piece(piece_key("tails/id-with-dashes/", epoch, end), stored)), stored


@given(st.lists(st.integers(1, 3 * MIB), max_size=60), st.integers(0, 10**12))
def test_what_a_row_names_is_found_again(sizes: list[int], counted: int) -> None:
    pieces: tuple[Piece, ...] = ()
    end = counted
    for epoch, size in enumerate(sizes):
        end += size
        kept = pieces[: len(pieces) - swallowed(pieces, size)]
        stored = size_of(pieces) + size - size_of(kept)
        pieces = (*kept, Piece(piece_key("tails/id-1/", epoch, end), stored))
        assert all(a.size > 2 * b.size for a, b in pairwise(pieces))
    assert pieces_of(named(pieces), end, size_of(pieces)) == pieces
    assert keys_of(named(pieces)) == [piece.key for piece in pieces]


def test_a_tail_that_was_one_object_is_one_piece() -> None:
    assert pieces_of("tails/u/3-700", 700, 200) == (Piece("tails/u/3-700", 200),)
    assert pieces_of(None, 700, 0) == ()
    assert named([Piece("tails/u/3-700", 200)]) == "tails/u/3-700"
    assert named([]) is None


@pytest.mark.parametrize(
    ("large", "small", "count"),
    [(0, 1, 5000), (5 * MIB - 5001, 1, 5000), (2 * MIB, 500, 3000), (0, 65536, 79)],
)
def test_small_requests_are_stored_a_few_times_only(large: int, small: int, count: int) -> None:
    pieces: tuple[Piece, ...] = ()
    if large:
        pieces, _ = appended(pieces, large, 0)
    written = 0
    for epoch in range(count):
        pieces, stored = appended(pieces, small, epoch + 1)
        written += stored
    # The large piece may be stored again where the small ones have come to half of it.
    assert written <= 12 * (small * count) + large
    assert len(pieces) <= 22


@given(st.lists(st.integers(1, 100_000), min_size=1, max_size=300))
def test_no_sequence_of_requests_makes_a_byte_be_stored_often(sizes: list[int]) -> None:
    pieces: tuple[Piece, ...] = ()
    written = 0
    for epoch, size in enumerate(sizes):
        pieces, stored = appended(pieces, size, epoch)
        written += stored
    assert written <= 38 * sum(sizes)
