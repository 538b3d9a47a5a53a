"""Whether this replica takes another session: by their number, and by what they cost."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal

_CPU_LIMIT: Final = Path("/sys/fs/cgroup/cpu.max")
# Over how many seconds the cost is averaged, and how long a session's own is not known yet.
_WINDOW: Final = 10.0
# Cores of a session of 1080p with two renditions below it, until it is measured.
_TYPICAL: Final = 0.35
# The share of the cores from which on no session begins; those that run may need the rest.
_FULL: Final = 0.85

Room = Literal["any", "takeover", "none"]
"""any: for a session that begins. takeover: only for one that runs already."""


def usable_cores() -> float:
    """The processor cores that this process may use, by its affinity and its control group."""
    cores = float(len(os.sched_getaffinity(0)))
    try:
        quota, period = _CPU_LIMIT.read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else min(cores, int(quota) / int(period))


class Capacity:
    """``most``: sessions with a publisher; ``cores``: what all sessions may use. ``clock`` and
    ``own``: a steady clock, and the processor time of this process, in seconds."""

    def __init__(
        self,
        most: int,
        cores: float,
        clock: Callable[[], float] = time.monotonic,
        own: Callable[[], float] = time.process_time,
    ) -> None:
        self._most = most
        self._cores = cores
        self._clock = clock
        self._own = own
        self._at = clock()
        self._own_before = own()
        # By session: when it was first measured, and its processor time at the last time.
        self._since: dict[str, float] = {}
        self._measured: dict[str, float] = {}
        self.used = 0.0
        """Cores that are in use, on an average."""

    def measure(self, seconds: Mapping[str, float]) -> None:
        """Take the processor time of each session's programs, in seconds. Call it often."""
        now, own = self._clock(), self._own()
        passed = now - self._at
        if passed <= 0:
            return
        spent = own - self._own_before
        for name, total in seconds.items():
            before = self._measured.get(name, 0.0)
            # A program that was started again counts from zero.
            spent += total - before if total >= before else total
        self._since = {name: self._since.get(name, now) for name in seconds}
        self._measured = dict(seconds)
        self.used += (spent / passed - self.used) * min(1.0, passed / _WINDOW)
        self._at, self._own_before = now, own

    def room(self, running: int) -> Room:
        """What can be taken beside ``running`` sessions with a publisher.

        A session that runs already is lost if no replica takes it: there is some room for those
        alone, and no measure refuses them. Too little time then costs renditions.
        """
        if running >= self._most + max(1, self._most // 4):
            return "none"
        now = self._clock()
        settled = sum(now - since >= _WINDOW for since in self._since.values())
        expected = self.used + _TYPICAL * max(0, running - settled)
        full = running >= self._most or expected >= _FULL * self._cores
        return "takeover" if full else "any"
