"""Whether the loops of a process still come round.

Each loop reports every round. One that has been silent for longer than its limit makes ``/health``
answer 503, so that a supervisor or Kubernetes restarts the process.
"""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, Gauge

# Least seconds of silence that count: more than all limits on one wait together.
LEAST_SILENCE_SECONDS: Final = 60.0
# A loop may miss this many of its rounds.
_MISSED_ROUNDS: Final = 5


class LoopProgress:
    """When one loop last came round, and after how many seconds of silence it counts as stuck."""

    def __init__(self, silence_seconds: float, clock: Callable[[], float]) -> None:
        self.silence_seconds = silence_seconds
        self._clock = clock
        self._last = clock()

    def came_round(self) -> None:
        """The loop has finished a round, or a step of a long one."""
        self._last = self._clock()

    @property
    def age(self) -> float:
        """Seconds since the last round."""
        return self._clock() - self._last


class Progress:
    """The loops that run now in this process."""

    def __init__(
        self, registry: CollectorRegistry, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._running: dict[str, LoopProgress] = {}
        self._age = Gauge(
            "cinelog_loop_age_seconds",
            "Seconds since a loop last came round.",
            ("loop",),
            registry=registry,
        )

    @contextmanager
    def loop(
        self, name: str, seconds: float, *, silence_seconds: float | None = None
    ) -> Generator[LoopProgress]:
        """Watch the loop ``name`` while entered. It should come round every ``seconds``.

        Raises ValueError where a loop of this name runs already.
        """
        if name in self._running:
            raise ValueError(f"a loop named {name} runs already")
        limit = silence_seconds or max(LEAST_SILENCE_SECONDS, _MISSED_ROUNDS * seconds)
        progress = self._running[name] = LoopProgress(limit, self._clock)
        self._age.labels(name).set_function(lambda: progress.age)
        try:
            yield progress
        finally:
            del self._running[name]
            self._age.remove(name)

    def advance(self, name: str) -> None:
        """Report a step of a long round of the loop ``name``, if it runs."""
        loop = self._running.get(name)
        if loop is not None:
            loop.came_round()

    def stuck(self) -> dict[str, float]:
        """The loops that are silent for longer than their limit, with the seconds of silence."""
        return {
            name: loop.age
            for name, loop in self._running.items()
            if loop.age > loop.silence_seconds
        }
