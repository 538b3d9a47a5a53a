"""The header fields of the IETF's resumable uploads."""

import pytest

from services.ingest import draft
from services.ingest.draft import Announced, DraftError

UNKNOWN = Announced(complete=False, length=None)


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("POST", {"upload-complete": "?1"}, True),
        ("POST", {"upload-complete": "1"}, False),
        ("POST", {"upload-length": "1"}, False),
        ("POST", {"upload-complete": "?1", "tus-resumable": "1.0.0"}, False),
        ("PATCH", {"content-type": "application/partial-upload"}, True),
        ("PATCH", {"content-type": "application/offset+octet-stream"}, False),
        ("HEAD", {}, True),
        ("HEAD", {"tus-resumable": "0.1"}, False),
        ("DELETE", {}, True),
    ],
)
def test_which_protocol(method: str, headers: dict[str, str], expected: bool) -> None:
    assert draft.speaks(method, headers) is expected


@pytest.mark.parametrize(
    ("headers", "offset", "said"),
    [
        ({"upload-complete": "?0"}, 0, UNKNOWN),
        ({"upload-complete": "?1;a=b"}, 0, Announced(complete=True, length=None)),
        ({"upload-complete": "?1", "content-length": "5"}, 7, Announced(complete=True, length=12)),
        (
            {"upload-complete": "?0", "content-length": "5", "upload-length": "50"},
            7,
            Announced(complete=False, length=50),
        ),
        (
            {"upload-complete": "?0", "upload-length": "x"},
            0,
            Announced(complete=False, length=None),
        ),
    ],
)
def test_lengths(headers: dict[str, str], offset: int, said: Announced) -> None:
    assert draft.announced(headers, offset) == said


def test_contradictions_and_omissions() -> None:
    for headers in (
        {},
        {"upload-complete": "yes"},
        {"upload-complete": "?1", "content-length": "5", "upload-length": "6"},
    ):
        with pytest.raises(DraftError):
            draft.announced(headers, 0)
    with pytest.raises(DraftError):
        draft.offset({"upload-offset": "-1"})
    assert draft.offset({"upload-offset": " 12 "}) == 12


def test_file_names_and_limits() -> None:
    assert (
        draft.filename({"content-disposition": 'inline; filename="a \\"b\\".mp4"'}) == 'a "b".mp4'
    )
    assert draft.filename({"content-disposition": "inline"}) == ""
    assert draft.limits(5) == "max-size=5"
    assert draft.limits(5, 9.9) == "max-size=5, max-age=9"
