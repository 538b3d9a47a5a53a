"""A circuit breaker: after some failures in a row, a service is asked less.

Closed → (failures) → open → (time) → half-open, where one request at a time tries. Its success
closes the circuit; its failure opens it for twice as long. Callers pass the time.
"""

from enum import IntEnum


class State(IntEnum):
    """The value is the number that the metric shows."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Breaker:
    """The breaker of one service. Times are in seconds, on any steady clock."""

    __slots__ = ("_failures", "_opened_for", "_probing", "_threshold", "_until", "base", "longest")

    def __init__(self, threshold: int = 5, base: float = 1.0, longest: float = 15.0) -> None:
        self.base = base
        self.longest = longest
        self._threshold = threshold
        self._failures = 0
        self._opened_for = 0.0
        self._until = 0.0
        self._probing = False

    def state(self, now: float) -> State:
        """The state at ``now``."""
        if not self._opened_for:
            return State.CLOSED
        return State.OPEN if now < self._until else State.HALF_OPEN

    def admit(self, now: float) -> float:
        """0 where a request may go, else the seconds after which to try again."""
        if not self._opened_for:
            return 0.0
        if now < self._until:
            return self._until - now
        if self._probing:
            return self.base
        self._probing = True
        return 0.0

    def succeeded(self) -> None:
        """The service answered, with any status."""
        self._failures = 0
        self._opened_for = 0.0
        self._probing = False

    def failed(self, now: float) -> None:
        """The service gave no connection, no answer in time, or no HTTP."""
        self._failures += 1
        if self._probing or (not self._opened_for and self._failures >= self._threshold):
            self._opened_for = min(self.longest, self._opened_for * 2 or self.base)
            self._until = now + self._opened_for
            self._probing = False

    def abandoned(self) -> None:
        """The request ended for a reason that is not the service's."""
        self._probing = False
