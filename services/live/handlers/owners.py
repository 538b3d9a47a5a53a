"""Whether the owner of a session is dead: by its reports, and by what the leader has seen."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from services.live.row_ports import QUIET_SECONDS, SessionRow

# What the time between two looks counts at most: a leader that could not look knows nothing.
_LOOK_SECONDS: Final = 1.0
# Media that came so long after a session was seen without publisher is not what was left of it.
_SURE_SECONDS: Final = 1.0


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
        # By session that has lost its owner: since when that is known here.
        self._lost: dict[str, float] = {}

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
        self._lost = {id_: at for id_, at in self._lost.items() if id_ in self._seen}

    def is_gone(self, row: SessionRow) -> bool:
        """Whether a session has no owner any more; ``row`` was looked at."""
        self._lost.pop(row.video_id, None)
        if row.beat_at is None:
            return True
        return is_quiet(row) and self._seen[row.video_id][1] >= QUIET_SECONDS

    def sends(self, row: SessionRow) -> bool:
        """Whether a session that has no publisher, by the log, has got media since that was seen.

        Its owner was only cut off from the database.
        """
        now = self._clock()
        since = now - self._lost.setdefault(row.video_id, now)
        silent = row.silent_seconds
        # Below zero where the clock was set back since.
        return row.held and silent is not None and abs(silent) + _SURE_SECONDS < since


def is_quiet(row: SessionRow) -> bool:
    """Whether no owner of a session has reported of late; it may live.

    A report that is later than now came before the clock was set back.
    """
    return row.quiet_seconds is None or abs(row.quiet_seconds) > QUIET_SECONDS
