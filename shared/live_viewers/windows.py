"""Where viewers of a live are counted: in one HyperLogLog per window of time. Pure.

A player reloads its playlist every few seconds, so that whoever watches is in the present window or
in the one before it. Redis adds up a window of all gateways, and keeps no viewer's name.
"""

from typing import Final

WINDOW_SECONDS: Final = 15
KEPT_SECONDS: Final = 4 * WINDOW_SECONDS
"""How long Redis keeps a window after its last viewer was added."""
TOTAL_SECONDS: Final = 2 * 86_400
"""How long Redis keeps the viewers of a whole live after its last one was added."""


def window_at(now: float) -> int:
    """The number of the window at a time in Unix seconds."""
    return int(now // WINDOW_SECONDS)


def window_key(video_id: str, window: int) -> str:
    """The viewers of one window."""
    return f"live:viewers:{{{video_id}}}:{window}"


def present_keys(video_id: str, now: float) -> tuple[str, str]:
    """Whoever is counted in one of these watches now."""
    window = window_at(now)
    return window_key(video_id, window), window_key(video_id, window - 1)


def total_key(video_id: str) -> str:
    """The viewers since the beginning."""
    return f"live:viewers:{{{video_id}}}:total"
