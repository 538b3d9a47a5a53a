"""The headers of tus 1.0.0."""

import base64
import hashlib
import zlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest import tus
from services.ingest.tus import Creation, Join, TusError, UnsupportedVersion, WrongContentType

ID = "01920000-0000-7000-8000-000000000000"


def encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


@pytest.mark.parametrize("headers", [{}, {"tus-resumable": "0.2.2"}])
def test_other_versions(headers: dict[str, str]) -> None:
    with pytest.raises(UnsupportedVersion) as refused:
        tus.check_version(headers)
    assert refused.value.status == 412


@given(st.dictionaries(st.from_regex(r"[a-z_-]{1,12}", fullmatch=True), st.text(max_size=30)))
def test_metadata_round_trips(pairs: dict[str, str]) -> None:
    header = ",".join(f"{key} {encoded(value)}" for key, value in pairs.items())
    assert tus.parse_metadata(header) == pairs


def test_metadata_may_have_keys_without_values_and_spaces() -> None:
    assert tus.parse_metadata(f"a {encoded('x')}, b , c") == {"a": "x", "b": "", "c": ""}


@pytest.mark.parametrize(
    "value", ["a ???", "a YQ==,a YQ==", ",", "ä YQ==", "a /w==", "a " + "A" * 16384]
)
def test_broken_metadata(value: str) -> None:
    with pytest.raises(TusError):
        tus.parse_metadata(value)


@pytest.mark.parametrize(
    ("headers", "creation"),
    [
        ({"upload-length": "5"}, Creation(length=5, metadata={})),
        ({"upload-defer-length": "1"}, Creation(length=None, metadata={})),
        (
            {"upload-length": "5", "upload-concat": "partial"},
            Creation(length=5, metadata={}, partial=True),
        ),
        (
            {"upload-concat": f"final;/api/v1/uploads/{ID} https://h:1/uploads/{ID}"},
            Creation(length=None, metadata={}, final=Join((ID, ID))),
        ),
    ],
)
def test_creations(headers: dict[str, str], creation: Creation) -> None:
    assert tus.parse_creation(headers) == creation


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"upload-length": "5", "upload-defer-length": "1"},
        {"upload-defer-length": "2"},
        {"upload-length": "-1"},
        {"upload-length": "1e3"},
        {"upload-length": "05"},
        {"upload-length": "٣"},
        {"upload-length": "9" * 20},
        {"upload-length": "5", "upload-concat": "whole"},
        {"upload-concat": "final;"},
        {"upload-concat": "final;/elsewhere"},
        {"upload-concat": f"final;/u/{ID}", "upload-length": "5"},
        {"upload-concat": "final;" + f"/u/{ID} " * 1001},
    ],
)
def test_creations_that_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(TusError):
        tus.parse_creation(headers)


@pytest.mark.parametrize("algorithm", tus.CHECKSUM_ALGORITHMS)
def test_checksums(algorithm: str) -> None:
    data = b"some bytes"
    digest = (
        zlib.crc32(data).to_bytes(4, "big")
        if algorithm == "crc32"
        else hashlib.new(algorithm, data).digest()
    )
    checksum = tus.parse_checksum(
        {"upload-checksum": f"{algorithm} {base64.b64encode(digest).decode()}"}
    )
    assert checksum is not None
    running = checksum.start()
    running.update(data[:4])
    running.update(data[4:])
    assert running.digest() == checksum.expected


@pytest.mark.parametrize("value", ["", "sha1", "sha1 ?", "sha1 YWJj", "md4 YWJj"])
def test_broken_checksums(value: str) -> None:
    with pytest.raises(TusError):
        tus.parse_checksum({"upload-checksum": value})


def test_what_else_is_checked() -> None:
    assert tus.parse_checksum({}) is None
    assert tus.parse_offset({"upload-offset": "7"}) == 7
    with pytest.raises(TusError):
        tus.parse_offset({})
    with pytest.raises(WrongContentType):
        tus.check_content_type({"content-type": "application/octet-stream"})
    at = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert tus.expires(at) == "Wed, 02 Jan 2030 03:04:05 GMT"
