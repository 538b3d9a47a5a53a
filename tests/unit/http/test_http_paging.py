"""Pages as the contract has them; cursors that nobody can break."""

import pytest

from shared.errors import InvalidInput
from shared.http.paging import PageParams, decode_cursor, encode_cursor, page_params


@pytest.mark.parametrize(
    ("page", "size", "expected"),
    [
        (None, None, PageParams(1, 10)),
        ("3", "20", PageParams(3, 20)),
        ("0", "0", PageParams(1, 10)),
        ("-5", "-5", PageParams(1, 10)),
        ("2", "51", PageParams(2, 50)),
        ("one", "1e3", PageParams(1, 10)),
        ("9" * 30, "9" * 30, PageParams(1_000_000, 50)),
        ("", " 7 ", PageParams(1, 7)),
    ],
)
def test_numbers(page: str | None, size: str | None, expected: PageParams) -> None:
    assert page_params(page, size) == expected


def test_offset() -> None:
    assert PageParams(3, 20).offset == 40


def test_a_cursor_comes_back() -> None:
    place = (1234567, "01a2-é")
    cursor = encode_cursor(place)
    assert cursor.isascii()
    assert decode_cursor(cursor, tuple[int, str]) == place


@pytest.mark.parametrize("cursor", ["", "x", "é", "!!!!", "W10", "a" * 5000, "bnVsbA=="])
def test_a_strange_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput):
        decode_cursor(cursor, tuple[int, str])
