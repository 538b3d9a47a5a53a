"""The port of the event log, and its types."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from shared.contracts import Event, uuid7
from shared.errors import Conflict, NotUnderstood


class Metadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The origin of an event. ``traceparent`` is W3C Trace Context; ``actor`` is a user id."""

    correlation_id: str | None = None
    causation_id: str | None = None
    actor: str | None = None
    traceparent: str | None = None


class NewEvent(msgspec.Struct, frozen=True):
    """A fact to append. Choose ``event_id`` to make a repeated append idempotent."""

    data: Event
    event_id: UUID = msgspec.field(default_factory=uuid7)


class Unreadable(Event, frozen=True, kw_only=True):
    """Replaces an event that this build cannot decode. It is never appended."""

    reason: str


class RecordedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A fact in the log. Until it is a SequencedEvent it has no place in the global order."""

    stream_id: str
    version: int
    type: str
    data: Event
    event_id: UUID
    metadata: Metadata
    recorded_at: datetime


class SequencedEvent(RecordedEvent, frozen=True, kw_only=True):
    """A fact at its final ``position`` in the global order."""

    position: int


class WrongExpectedVersion(Conflict):
    """Another writer appended first: load the stream again and decide again."""

    code = "wrong_expected_version"

    def __init__(self, stream_id: str, expected: int) -> None:
        super().__init__(f"{stream_id} is not at version {expected}")
        self.stream_id = stream_id
        self.expected = expected


class UnreadableStream(NotUnderstood):
    """An event of the stream cannot be decoded by this build, so nothing can be decided on it."""

    code = "stream_unreadable"

    def __init__(self, stream_id: str, version: int, reason: str) -> None:
        super().__init__(
            f"{stream_id} version {version} was written by a newer version of this program and "
            f"cannot be read yet ({reason}). Nothing was changed; try again after the upgrade."
        )
        self.stream_id = stream_id
        self.version = version


class Streams(Protocol):
    """What a command needs of the log: one stream."""

    async def append(
        self,
        stream_id: str,
        expected_version: int,
        events: Sequence[NewEvent],
        metadata: Metadata,
    ) -> int:
        """Append all or none; return the version of the last event once it is durable.

        ``expected_version`` is the stream's current version, 0 for a new stream. If the events
        are already in the stream, by event id, the result is that of the first append. Raises
        WrongExpectedVersion; TooManyChanges where the account that acts has made all of its day.
        """
        ...

    async def read_stream(self, stream_id: str, after_version: int = 0) -> list[RecordedEvent]:
        """A stream's events in order; those that have a position are SequencedEvents.

        Raises UnreadableStream if this build cannot decode one of them, because a decision needs
        the complete stream.
        """
        ...


class EventStore(Streams, Protocol):
    """The log. Streams have versions 1, 2, 3…; the global order has positions 1, 2, 3….

    Positions are contiguous and final: after a reader has seen position n, no new event appears
    at or below n.
    """

    async def read_streams(self, stream_ids: Sequence[str]) -> dict[str, list[RecordedEvent]]:
        """The events of each of these streams in order, without their positions, in one request.

        An event that this build cannot decode has an Unreadable as its data.
        """
        ...

    async def read_after(self, versions: Mapping[str, int]) -> dict[str, list[RecordedEvent]]:
        """Of each of these streams, the events after a version, in one request.

        Streams without such events are left out. An event that this build cannot decode has an
        Unreadable as its data.
        """
        ...

    async def read_all(self, after_position: int, limit: int) -> list[SequencedEvent]:
        """At most ``limit`` events after a position, in global order, without a gap.

        An event that this build cannot decode has an Unreadable as its data.
        """
        ...

    async def read_history(
        self,
        stream_ids: Sequence[str],
        after_position: int,
        last_position: int,
        limit: int,
        without: Sequence[str] = (),
    ) -> list[SequencedEvent]:
        """At most ``limit`` events of these streams between two positions, in global order.

        Types ``without`` are left out. An event that this build cannot decode has an Unreadable as
        its data.
        """
        ...

    async def head(self) -> int:
        """The last position; 0 for an empty log."""
        ...

    async def position_of(self, stream_id: str, version: int) -> int | None:
        """An event's position, or None if it has none yet."""
        ...

    async def last_of(self, stream_id: str) -> RecordedEvent | None:
        """The last event of a stream, however long that is; None without any.

        One that this build cannot decode has an Unreadable as its data.
        """
        ...

    async def latest(self) -> tuple[str, int] | None:
        """Stream and version of the newest event, whether or not it has a position."""
        ...
