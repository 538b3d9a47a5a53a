"""Events of lives, with what most tests do not care about filled in."""

from typing import Any, Final

from shared.contracts import LiveConnected

_USUAL: Final[dict[str, Any]] = {
    "live_id": "live-1",
    "epoch": 1,
    "protocol": "rtmp",
    "title": "A live",
    "description": "",
    "visibility": "public",
    "latency": "low",
    "replica": "one",
}


def live_connected(video_id: str, user_id: str, **changes: Any) -> LiveConnected:
    """The first publisher of a session has come."""
    return LiveConnected(video_id=video_id, user_id=user_id, **_USUAL | changes)
