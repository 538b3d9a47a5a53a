"""Times in S3's answers, in listings and in headers."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.blobs.s3_wire import parse_time

WHEN = datetime(2026, 11, 26, 23, 40, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-26T23:40:02Z", WHEN),
        ("2026-11-26T23:40:02.125Z", WHEN + timedelta(milliseconds=125)),
        ("2026-11-27T00:40:02+01:00", WHEN),
        ("Thu, 26 Nov 2026 23:40:02 GMT", WHEN),
        ("20261126T234002Z", WHEN),
        (int(WHEN.timestamp()), WHEN),
    ],
)
def test_a_time_has_one_meaning_in_every_format(text: str | int, expected: datetime) -> None:
    assert parse_time(text) == expected


def test_what_is_no_time_is_an_error() -> None:
    with pytest.raises(ValueError, match="Invalid timestamp"):
        parse_time("2026-soon")
