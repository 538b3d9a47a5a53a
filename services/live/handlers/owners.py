"""Whether the owner of a session is dead: by its reports, and by what the leader has seen."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from services.live.ports import QUIET_SECONDS, SessionRow

# What the time between two looks counts at most: a leader that could not look knows nothing.
_LOOK_SECONDS: Final = 1.0


class Owners:
    """After an outage of the database all reports are old, and owners that live report within
    seconds: one is dead once it was quiet for as long while the leader looked.

    ``clock``: steady, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked = clock()
        # By session: its owner's last report, and for how long it has been seen to be the last.
        self._seen: dict[str, tuple[datetime | None, float]] = {}

    def look(self, rows: Iterable[SessionRow]) -> None:
        """Call it in each round, with all rows; others are forgotten."""
        now = self._clock()
        passed, self._looked = min(now - self._looked, _LOOK_SECONDS), now
        before = self._seen
        self._seen = {}
        for row in rows:
            last, seconds = before.get(row.video_id, (None, 0.0))
            seen = seconds + passed if last == row.beat_at else 0.0
            self._seen[row.video_id] = row.beat_at, seen

    def is_gone(self, row: SessionRow) -> bool:
        """Whether a session has no owner any more; ``row`` was looked at."""
        if row.beat_at is None:
            return True
        return is_quiet(row) and self._seen[row.video_id][1] >= QUIET_SECONDS


def is_quiet(row: SessionRow) -> bool:
    """Whether no owner of a session has reported of late; it may live."""
    return row.quiet_seconds is None or row.quiet_seconds > QUIET_SECONDS
