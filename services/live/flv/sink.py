"""Where the tags of a publisher go, whatever its protocol."""

from typing import Protocol

from services.live.flv.tags import Tag
from services.live.ports import Credential, Publisher


class Stopped(Exception):
    """The stream takes no more tags; the text is for the publisher."""


class OverLimit(Stopped):
    """The publisher sends more than a live may have: its session ends."""


class Sink(Protocol):
    """Takes the tags of one publisher. ``take`` waits while what reads them is slow."""

    @property
    def video_id(self) -> str:
        """The session's."""
        ...

    async def take(self, tag: Tag) -> None:
        """Raises NotPlayable where the publisher sends what is not accepted; Stopped."""
        ...

    async def close(self, reason: str, *, clean: bool) -> None:
        """The publisher has gone; ``clean``: it said that it would. A caller that is cancelled
        meanwhile loses nothing of what was taken."""
        ...


class Tap(Protocol):
    """Sees the tags that a session has taken from one publisher."""

    def offer(self, tag: Tag) -> None:
        """Never waits, and never fails."""
        ...

    def close(self) -> None:
        """The publisher has gone."""
        ...


class Admission(Protocol):
    """Says who may publish, and opens where the tags go."""

    async def admit(self, credential: Credential, publisher: Publisher) -> Sink:
        """Raises Refused."""
        ...
