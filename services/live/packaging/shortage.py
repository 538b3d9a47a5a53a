"""When renditions are left out because encoding is too slow, and when they come back. Pure."""

from typing import Final

# Seconds without any delay after which a rendition comes back. They double each time that it has
# to go again soon: each change is a discontinuity for all viewers.
_CALM_SECONDS: Final = 30.0
_LONGEST_CALM_SECONDS: Final = 960.0
_SOON_SECONDS: Final = 120.0


class Shortage:
    """Counts what is left out. ``now``: a steady clock, in seconds."""

    def __init__(self) -> None:
        self.left_out = 0
        self._calm_since: float | None = None
        self._wait = _CALM_SECONDS
        self._returned_at = float("-inf")

    def judge(self, now: float, *, too_slow: bool, relaxed: bool, more: bool) -> bool:
        """Whether another layout is wanted. ``more``: there is a rendition left to leave out;
        ``relaxed``: the encoder waits for the publisher."""
        if too_slow:
            self._calm_since = None
            if not more:
                return False
            self.left_out += 1
            soon = now - self._returned_at < _SOON_SECONDS
            self._wait = min(2 * self._wait, _LONGEST_CALM_SECONDS) if soon else _CALM_SECONDS
            return True
        if not relaxed or not self.left_out:
            self._calm_since = None
            return False
        if self._calm_since is None:
            self._calm_since = now
        if now - self._calm_since < self._wait:
            return False
        self.left_out -= 1
        self._calm_since = None
        self._returned_at = now
        return True
