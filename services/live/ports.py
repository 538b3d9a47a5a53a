"""What the media path needs of the sessions, and what handlers need of the outside.

``services.live.handlers`` implements ``Sessions``. ``Fenced`` is ``domain.session``'s.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from services.live.domain.session import LastTrack
from shared.contracts import (
    Event,
    Latency,
    LivePosterMade,
    LiveProtocol,
    LivePublished,
    LiveRecorded,
)
from shared.errors import Conflict

RefusedCode = Literal["unknown_key", "disabled", "already_live", "too_many", "busy", "unavailable"]


class Refused(Exception):
    """A publisher is refused. ``text`` is one sentence for the person, shown by their program."""

    def __init__(self, code: RefusedCode, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class KeyInUse(Conflict):
    """A request with this idempotency key is under way, or has made its stream."""

    code = "idempotency_key_in_use"


class Publisher(msgspec.Struct, frozen=True):
    """What a publisher says of itself, and where it calls from."""

    protocol: LiveProtocol
    address: str
    software: str = ""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session as its owner received it: what it needs to go on where the last one stopped.

    ``next_segment`` numbers the segments of all tracks; ``jumps`` counts the discontinuities;
    ``tracks`` are empty for a new session, and so is ``started_at``: the time of its first picture.
    """

    video_id: str
    live_id: str
    user_id: str
    epoch: int
    latency: Latency
    reconnect_seconds: int
    record: bool = True
    next_segment: int = 0
    jumps: int = 0
    tracks: tuple[LastTrack, ...] = ()
    started_at: datetime | None = None


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What the owner measures of a publisher. ``bit_rate`` in bits per second; ``dropped`` counts
    the frames that were refused; ``behind_ms``: how late parts are ready."""

    width: int | None = None
    height: int | None = None
    frame_rate: float | None = None
    bit_rate: int | None = None
    key_frame_seconds: float | None = None
    video_codec: str | None = None
    audio_codec: str | None = None
    dropped: int | None = None
    behind_ms: int | None = None


class Sessions(Protocol):
    """The sessions, for those that receive, package and record.

    ``Unavailable`` (shared.errors) from any of them: the database does not answer; try again.
    """

    async def connect(self, key: str, publisher: Publisher) -> Session:
        """Take the stream of this key. Raises Refused, also where the database is away."""
        ...

    async def alive(
        self, session: Session, *, sending: bool, health: Health | None = None
    ) -> str | None:
        """Called each second by the owner, for as long as it has the session's window, also while
        the publisher is gone. ``sending``: media arrived in the last second.

        Returns why the publisher must be closed, in a sentence, or None. Raises Fenced.
        """
        ...

    async def published(self, session: Session, batch: LivePublished) -> None:
        """Append a batch whose objects are stored. May be repeated. Raises Fenced."""
        ...

    async def disconnected(self, session: Session, reason: str, *, clean: bool) -> None:
        """The publisher is gone, and all that it sent is published: an ended session may be
        recorded. May be repeated."""
        ...

    async def poster_made(self, session: Session, made: LivePosterMade) -> None: ...

    async def owner(self, video_id: str) -> str | None:
        """The internal address of the replica that has the session's window; None if no replica
        reported within 6 s."""
        ...

    async def history(self, video_id: str) -> Sequence[Event]:
        """All events of a session in order; none where there is no such session."""
        ...

    async def recorded(self, recorded: LiveRecorded, next_segment: int) -> None:
        """An ended session's playlists are stored. Raises Fenced where segments were added
        after ``next_segment``: make them again."""
        ...


class Recorder(Protocol):
    """Makes the video of an ended session."""

    async def record(self, video_id: str) -> None:
        """Called by the leader, until ``Sessions.recorded`` has had its effect. May be repeated."""
        ...
