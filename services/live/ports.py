"""What the media path needs of the sessions, and what handlers need of the outside.

``services.live.handlers`` implements ``Sessions``. ``Fenced`` is ``domain.session``'s.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, Protocol

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

RefusedCode = Literal[
    "unknown_key", "disabled", "already_live", "too_many", "full", "busy", "unavailable"
]

NO_ROOM: Final = "this server has no room for another stream; try again"
CANNOT_CONTINUE: Final = "the stream cannot be continued here at the moment; try again"


class Refused(Exception):
    """A publisher is refused. ``text`` is one sentence for the person, shown by their program."""

    def __init__(self, code: RefusedCode, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code: RefusedCode = code
        self.text = text


class Publisher(msgspec.Struct, frozen=True):
    """What a publisher says of itself, and where it calls from."""

    protocol: LiveProtocol
    address: str
    software: str = ""


class OwnStream(msgspec.Struct, frozen=True):
    """In place of a stream key: the stream of a person who is signed in."""

    live_id: str
    user_id: str


class KeyHash(msgspec.Struct, frozen=True):
    """In place of a stream key: its hash, from who has shown that it has what goes with the key."""

    value: str


Credential = str | OwnStream | KeyHash
"""What a publisher may publish by: a stream's key, what goes with it, or that it is the stream's
owner."""


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


class Entrance(Protocol):
    """Says for one publisher whether a replica has room for its session. Asked once the publisher
    is known: nobody else takes room from others, however often they try."""

    def begin(self) -> None:
        """For a session that does not run yet. Raises Refused."""
        ...

    async def go_on(self, video_id: str) -> None:
        """For one that runs. Once a replica has taken it, the owner of before can store nothing
        more. Raises Refused."""
        ...


class Sessions(Protocol):
    """The sessions, for those that receive, package and record.

    ``Unavailable`` (shared.errors) from any of them: the database does not answer; try again.
    """

    async def connect(
        self,
        credential: Credential,
        publisher: Publisher,
        entrance: Entrance | None = None,
    ) -> Session:
        """Take the stream that this opens; without ``entrance`` there is always room. Raises
        Refused, also where the database is away."""
        ...

    async def alive(
        self,
        session: Session,
        *,
        sending: bool,
        settled: bool = False,
        health: Health | None = None,
    ) -> str | None:
        """Called each second by the owner, for as long as it has the session's window, also while
        the publisher is gone. ``sending``: media arrived in the last second. ``settled``: the
        publisher is gone, and all that it sent is published.

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

    async def give_up(self, session: Session, reason: str) -> None:
        """End the session for a reason that its owner found, in a sentence. Nothing is done where
        another replica has it. May be repeated."""
        ...

    async def poster_made(self, session: Session, made: LivePosterMade) -> None: ...

    async def owner(self, video_id: str) -> str | None:
        """The internal address of the replica that has the session's window; None if no replica
        reported within 6 s."""
        ...

    async def history(self, video_id: str, after: int = 0) -> Sequence[Event]:
        """The events of a session in order, without the first ``after``; none where there is no
        such session."""
        ...

    async def is_over(self, video_id: str) -> bool:
        """Whether the session has ended."""
        ...

    async def recorded(self, recorded: LiveRecorded, next_segment: int) -> None:
        """An ended session's playlists are stored. Raises Fenced where segments were added
        after ``next_segment``: make them again."""
        ...


class Accounts(Protocol):
    """What accounts may store."""

    async def refusal(self, user_id: str, *, begins: bool) -> str | None:
        """Why an account may store no more of a live, in a sentence; None if it may. ``begins``:
        the live has no session yet."""
        ...


class Viewers(Protocol):
    """Numbers of viewers by video. All are left out where they are not known now."""

    async def now(self, video_ids: Sequence[str]) -> dict[str, int]: ...
    async def total(self, video_ids: Sequence[str]) -> dict[str, int]: ...


class Recorder(Protocol):
    """Makes the video of an ended session."""

    async def record(self, video_id: str) -> None:
        """Called by the leader, until ``Sessions.recorded`` has had its effect. May be repeated."""
        ...


class MediaStore(Protocol):
    """The media bucket, as far as sessions are concerned that nobody keeps."""

    async def delete_prefix(self, prefix: str) -> int: ...


class Metrics(Protocol):
    """Counts for operators."""

    def connected(self, protocol: LiveProtocol, *, takeover: bool) -> None: ...
    def refused(self, protocol: LiveProtocol, code: RefusedCode) -> None: ...
    def recorded(self, seconds: float) -> None:
        """An ended session is a video, so many seconds after its end."""
        ...

    def watched(self, viewers: int) -> None:
        """All running lives together have so many viewers."""
        ...
