"""When a day ends."""

from datetime import datetime, timedelta

import pytest

from shared.days import seconds_until_tomorrow


@pytest.mark.parametrize(
    ("now", "left"),
    [
        ("2026-11-27T00:00:00+00:00", timedelta(days=1)),
        ("2026-12-31T23:59:59+00:00", timedelta(seconds=1)),
        # It is the next day in UTC already.
        ("2026-11-27T23:30:00-01:00", timedelta(hours=23, minutes=30)),
    ],
)
def test_a_day_ends_at_midnight_in_utc(now: str, left: timedelta) -> None:
    assert seconds_until_tomorrow(datetime.fromisoformat(now)) == left.total_seconds()
