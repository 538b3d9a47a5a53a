"""What the sender says about a video: parsed from any protocol, checked by one set of rules."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.details import (
    NAMES,
    Details,
    InvalidDetails,
    UnknownField,
    check_details,
    details_schema,
    parse_details,
    safe_filename,
    titled_by_filename,
    with_visibility,
)
from services.ingest.handlers.direct import DirectRequest
from shared.contracts import Visibility

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
TOMORROW = "2026-01-02T13:00:00+01:00"


@pytest.mark.parametrize(
    ("sent", "fields"),
    [
        ({}, {"title"}),
        ({"title": " \t "}, {"title"}),
        ({"title": "\u200b\u200b"}, {"title"}),
        ({"title": "x" * 201}, {"title"}),
        ({"title": "a\0b"}, {"title"}),
        ({"title": "a\ud800b"}, {"title"}),
        ({"title": "x", "description": "y" * 5001}, {"description"}),
        ({"title": "x", "description": "a\0b"}, {"description"}),
        ({"title": "x", "tags": [str(n) for n in range(11)]}, {"tags"}),
        ({"title": "x", "tags": ["y" * 51]}, {"tags"}),
        ({"title": "x", "tags": ["\u200b"]}, {"tags"}),
        ({"title": "", "description": "y" * 5001}, {"title", "description"}),
        ({"title": "x", "visibility": "Private"}, {"visibility"}),
        ({"title": "x", "visibility": ""}, {"visibility"}),
        ({"title": "x", "visibility": "draft", "publish_at": "tomorrow"}, {"publish_at"}),
        (
            {"title": "x", "visibility": "draft", "publish_at": "2026-01-02T12:00:00"},
            {"publish_at"},
        ),
        ({"title": "x", "publish_at": "0001-01-01T00:00:00+14:00"}, {"publish_at"}),
        ({"title": "x", "hdr": "true"}, {"hdr"}),
        ({"title": "x", "downloads": "everybody"}, {"downloads"}),
        ({"description": "y" * 5001}, {"title", "description"}),
    ],
)
def test_details_that_break_a_rule(sent: dict, fields: set[str]) -> None:
    with pytest.raises(InvalidDetails) as refused:
        check_details(msgspec.convert(sent, Details))
    assert {detail.field for detail in refused.value.details} == fields


def test_details_as_they_are_kept() -> None:
    kept = check_details(
        Details(
            title="  Ünïcode 🎬 " + "x" * 80,
            description=" two\r\nlines\t",
            filename="C:\\Users\\me\\film.mp4",
            tags=(" a ", "b", "a", "A"),
        )
    )
    assert kept.title == "Ünïcode 🎬 " + "x" * 80
    assert kept.description == "two\nlines"
    assert kept.filename == "film.mp4"
    assert kept.tags == ("a", "b")
    assert check_details(kept) == kept


def test_a_title_that_is_not_there_yet() -> None:
    assert check_details(Details(description=" x "), partial=True) == Details(description="x")
    with pytest.raises(InvalidDetails):
        check_details(Details(title=""), partial=True)


@pytest.mark.parametrize(
    ("pairs", "parsed"),
    [
        ([], Details()),
        ([("title", "a"), ("title", "b")], Details(title="b")),
        ([("tags", "a, b"), ("tags", ",c,")], Details(tags=("a", " b", "c"))),
        ([("filetype", "video/mp4"), ("description", "x")], Details(description="x")),
        ([("visibility", "nonsense")], Details(visibility="nonsense")),
    ],
)
def test_pairs_become_details(pairs: Sequence[tuple[str, str]], parsed: Details) -> None:
    assert parse_details(pairs, ("filetype",)) == parsed


@pytest.mark.parametrize(
    "name", ["visiblity", "Visibility", "visibility ", "filetype", "", "a" * 99]
)
def test_a_field_that_nothing_reads_is_refused(name: str) -> None:
    with pytest.raises(UnknownField) as refused:
        parse_details([("title", "x"), (name, "private")])
    assert [detail.field for detail in refused.value.details] == [name[:40]]


@pytest.mark.parametrize(
    ("sent", "default", "visibility"),
    [
        (Details(title="x"), "public", "public"),
        (Details(title="x"), "private", "private"),
        (Details(title="x", visibility="unlisted"), "private", "unlisted"),
        (Details(title="x", visibility="draft", publish_at=TOMORROW), "public", "draft"),
        (Details(title="x", publish_at=TOMORROW), "draft", "draft"),
    ],
)
def test_a_video_has_its_own_visibility_or_the_accounts(
    sent: Details, default: Visibility, visibility: Visibility
) -> None:
    kept = with_visibility(check_details(sent), default, NOW)
    assert kept.shown == visibility
    assert with_visibility(check_details(kept), "public", NOW) == kept


@pytest.mark.parametrize(
    "sent",
    [
        Details(title="x", publish_at=TOMORROW),
        Details(title="x", visibility="private", publish_at=TOMORROW),
        Details(title="x", visibility="draft", publish_at="2026-01-01T12:00:00Z"),
        Details(title="x", visibility="draft", publish_at="2027-01-03T12:00:00Z"),
    ],
)
def test_when_nothing_can_be_published(sent: Details) -> None:
    with pytest.raises(InvalidDetails) as refused:
        with_visibility(check_details(sent), "public", NOW)
    assert [detail.field for detail in refused.value.details] == ["publish_at"]


@pytest.mark.parametrize(
    ("filename", "title"),
    [
        ("film.mp4", "film"),
        ("a/b/film", "film"),
        (".mp4", ".mp4"),
        ("\u200b.mp4", None),
        ("gpj.\u202etaf.mp4", "gpj.taf"),
        ("e\u0301" * 220 + ".mp4", "é" * 200),
        ("", None),
    ],
)
def test_a_file_without_a_title_gives_its_name(filename: str, title: str | None) -> None:
    assert titled_by_filename(Details(filename=filename)).title == title
    assert titled_by_filename(Details(title="T", filename=filename)).title == "T"


@given(st.text(max_size=400))
def test_file_names_are_harmless(name: str) -> None:
    kept = safe_filename(name)
    assert "/" not in kept
    assert "\\" not in kept
    assert kept not in {".", ".."}
    assert len(kept) <= 255
    assert safe_filename(kept) == kept
    check_details(titled_by_filename(Details(filename=name)), partial=True)


def test_every_protocol_has_every_field() -> None:
    """Direct requests inherit the declaration; the form's document is made of it."""
    assert set(NAMES) < set(DirectRequest.__struct_fields__)
    assert set(details_schema()) == set(NAMES)


def test_empty_fields_are_not_stored() -> None:
    """So that a new field changes neither old rows nor the fingerprint of a request."""
    assert msgspec.to_builtins(Details(title="x")) == {"title": "x"}
