"""The parts of a joined object fit what S3 allows."""

from hypothesis import given
from hypothesis import strategies as st

from shared.blobs.s3_join import MAX_COPY, Span, parts_of
from shared.blobs.s3_multipart import MIN_PART
from shared.blobs.store import Piece

SIZES = st.one_of(
    st.integers(0, 2000),
    st.integers(MIN_PART - 2, MIN_PART + 2),
    st.integers(1, 4 * MIN_PART),
    st.integers(MAX_COPY - 2, 3 * MAX_COPY),
)


@given(st.lists(SIZES, max_size=20))
def test_all_bytes_in_order_in_parts_that_s3_takes(sizes: list[int]) -> None:
    pieces = [Piece(str(number), size) for number, size in enumerate(sizes)]
    parts = parts_of(pieces)
    spans = [span for part in parts for span in part]
    for piece in pieces:
        own = [span for span in spans if span.key == piece.key]
        assert [span.start for span in own] == [0, *(span.end for span in own)][: len(own)]
        assert sum(span.size for span in own) == piece.size
    assert [int(span.key) for span in spans] == sorted(int(span.key) for span in spans)
    assert all(sum(span.size for span in part) >= MIN_PART for part in parts[:-1])
    assert all(0 < span.size <= MAX_COPY for span in spans)
    # What has to pass through us is small.
    assert all(sum(s.size for s in part) <= MIN_PART for part in parts if len(part) > 1)


def test_a_small_piece_takes_the_beginning_of_a_large_one_along() -> None:
    assert parts_of([Piece("init", 800), Piece("big", 3 * MIN_PART), Piece("end", 5)]) == [
        (Span("init", 0, 800), Span("big", 0, MIN_PART - 800)),
        (Span("big", MIN_PART - 800, 3 * MIN_PART),),
        (Span("end", 0, 5),),
    ]
