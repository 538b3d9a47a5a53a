"""How many changes an account may make in a day (UTC), counted where events are written.

Each change is an event, which is kept for ever and read whenever its stream is. Without a limit,
one account could make the log grow as fast as it may send requests. What ends something, what
follows by itself, and what another limit bounds is not counted.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from shared import contracts
from shared.contracts import Event
from shared.days import seconds_until_tomorrow
from shared.errors import Detail, TooManyRequests

PER_DAY: Final = 20_000
"""Changes of an account."""

COUNTED: Final[tuple[type[Event], ...]] = (
    contracts.UploadStarted,
    contracts.TranscodeRetried,
    contracts.DetailsChanged,
    contracts.TagsAdded,
    contracts.TagRemoved,
    contracts.VisibilityChanged,
    contracts.DownloadsChanged,
    contracts.CaptionsStored,
    contracts.CaptionsRemoved,
    contracts.VideoRestored,
    contracts.LiveStreamCreated,
    contracts.LiveStreamChanged,
    contracts.StreamKeyRotated,
    contracts.LiveClippingChanged,
    contracts.LiveScheduled,
    contracts.LiveRescheduled,
    contracts.SimulcastTargetAdded,
    contracts.SimulcastTargetSwitched,
    contracts.LiveStreamEnabled,
    contracts.LiveSessionOpened,
    contracts.LiveReconnected,
)

# The count need not reach the disk with the events: no flush for it.
_COUNT: Final = """
with quick as (select set_config('synchronous_commit', 'off', true)),
     old as (delete from log.changes where user_id = $1 and day < $2)
insert into log.changes as c (user_id, day, changes) select $1, $2, $3 from quick
on conflict (user_id, day) do update set changes = c.changes + excluded.changes
where c.changes + excluded.changes <= $4
returning changes
"""


class TooManyChanges(TooManyRequests):
    """The account has made all changes of the day. ``details`` say how many are allowed."""

    code = "too_many_changes"


def too_many_changes(allowed: int, now: datetime) -> TooManyChanges:
    """``allowed``: changes in a day, which ends at midnight (UTC)."""
    return TooManyChanges(
        "This account has made as many changes as it may in a day. Go on tomorrow.",
        [Detail("changes", f"{allowed} used, {allowed} allowed")],
        retry_after=seconds_until_tomorrow(now),
    )


async def count_changes(
    pool: Any, user_id: str | None, events: Iterable[Event], now: datetime
) -> None:
    """Count what ``user_id`` is about to append. Raises TooManyChanges.

    It is counted before it is appended, so that no two requests count alike.
    """
    changes = sum(isinstance(event, COUNTED) for event in events)
    if user_id is None or not changes:
        return
    if await pool.fetchval(_COUNT, user_id, now.date(), changes, PER_DAY) is None:
        raise too_many_changes(PER_DAY, now)
