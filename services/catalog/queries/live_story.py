"""What a live session's events mean beside each other: takeovers, renditions that came and went.
Pure."""

from typing import Any, Final

from shared.contracts import Event, LiveConnected, LivePublished, LiveReconnected

# The sound, and the publisher's own picture, have short names in the log.
_NAMES: Final = {"a": "sound", "top": "source"}


class LiveStory:
    """Takes the events of a session in their order."""

    def __init__(self) -> None:
        self._replica: str | None = None
        self._tracks: tuple[str, ...] | None = None

    def told(self, event: Event) -> dict[str, Any]:
        """What is to be told of an event beside its own fields.

        ``takeover``: another replica goes on with the session. ``tracks``: those that there are
        from here on, ``dropped`` and ``added``: what has changed.
        """
        match event:
            case LiveConnected():
                self._replica = event.replica
            case LiveReconnected():
                before, self._replica = self._replica, event.replica
                return {"takeover": before != event.replica}
            case LivePublished():
                return self._changed(event)
            case _:
                pass
        return {}

    def _changed(self, event: LivePublished) -> dict[str, Any]:
        names = tuple(_NAMES.get(track.name, track.name) for track in event.tracks)
        before, self._tracks = self._tracks, names
        if before is None or set(before) == set(names):
            return {}
        return {
            "tracks": list(names),
            "dropped": [name for name in before if name not in names],
            "added": [name for name in names if name not in before],
        }
