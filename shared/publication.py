"""When drafts become public: which times are accepted, however they are sent. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from shared.contracts import Visibility
from shared.text_rules import RefusedText

LONGEST_WAIT: Final = timedelta(days=366)


def parse_visibility(text: str) -> Visibility:
    """A visibility by its name. Raises RefusedText."""
    try:
        return msgspec.convert(text, Visibility)
    except msgspec.ValidationError:
        raise RefusedText("must be public, unlisted, private or draft") from None


def parse_moment(text: str) -> datetime:
    """A time in the form of RFC 3339, in UTC. Raises RefusedText."""
    try:
        return utc(msgspec.convert(text, datetime))
    except msgspec.ValidationError:
        raise RefusedText("must be a time such as 2027-01-31T18:00:00Z") from None


def utc(moment: datetime) -> datetime:
    """The same time in UTC. Raises RefusedText for a time without an offset."""
    if moment.tzinfo is None:
        raise RefusedText("must say its offset from UTC, such as Z or +01:00")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise RefusedText("is too far from now") from None


def check_publication(visibility: Visibility, publish_at: datetime | None, now: datetime) -> None:
    """Raises RefusedText where a video of this visibility cannot become public then."""
    if publish_at is None:
        return
    if visibility != "draft":
        raise RefusedText("is for drafts only")
    if publish_at <= now:
        raise RefusedText("must be in the future")
    if publish_at - now > LONGEST_WAIT:
        raise RefusedText(f"must be within {LONGEST_WAIT.days} days")
