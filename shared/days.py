"""Days in UTC, as limits of a day count them."""

from datetime import UTC, datetime, time, timedelta


def seconds_until_tomorrow(now: datetime) -> float:
    """Until ``now``'s day ends in UTC."""
    tomorrow = now.astimezone(UTC).date() + timedelta(days=1)
    return (datetime.combine(tomorrow, time(), UTC) - now).total_seconds()
