"""An event store in memory, for tests of handlers. It passes the same tests as PostgreSQL's."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from shared.event_store.serialization import readable
from shared.event_store.store import (
    Metadata,
    NewEvent,
    RecordedEvent,
    SequencedEvent,
    WrongExpectedVersion,
)


class MemoryEventStore:
    """Events in a list; every event has a position immediately."""

    def __init__(self) -> None:
        self._log: list[SequencedEvent] = []
        self._streams: dict[str, list[SequencedEvent]] = {}

    async def append(
        self,
        stream_id: str,
        expected_version: int,
        events: Sequence[NewEvent],
        metadata: Metadata,
    ) -> int:
        stream = self._streams.setdefault(stream_id, [])
        known = {recorded.event_id: recorded.version for recorded in stream}
        if events and all(event.event_id in known for event in events):
            return known[events[-1].event_id]
        if len(stream) != expected_version:
            raise WrongExpectedVersion(stream_id, expected_version)
        for event in events:
            recorded = SequencedEvent(
                position=len(self._log) + 1,
                stream_id=stream_id,
                version=len(stream) + 1,
                type=type(event.data).__name__,
                data=event.data,
                event_id=event.event_id,
                metadata=metadata,
                recorded_at=datetime.now(UTC),
            )
            self._log.append(recorded)
            stream.append(recorded)
        return len(stream)

    async def read_stream(self, stream_id: str, after_version: int = 0) -> list[RecordedEvent]:
        events: list[RecordedEvent] = [*self._streams.get(stream_id, ())]
        return [readable(event) for event in events[after_version:]]

    async def read_streams(self, stream_ids: Sequence[str]) -> dict[str, list[RecordedEvent]]:
        return {stream: [*self._streams.get(stream, ())] for stream in stream_ids}

    async def read_after(self, versions: Mapping[str, int]) -> dict[str, list[RecordedEvent]]:
        later = {stream: self._streams.get(stream, [])[at:] for stream, at in versions.items()}
        return {stream: [*events] for stream, events in later.items() if events}

    async def read_all(self, after_position: int, limit: int) -> list[SequencedEvent]:
        return self._log[after_position : after_position + limit]

    async def read_history(
        self,
        stream_ids: Sequence[str],
        after_position: int,
        last_position: int,
        limit: int,
        without: Sequence[str] = (),
    ) -> list[SequencedEvent]:
        between = self._log[after_position:last_position]
        found = [e for e in between if e.stream_id in stream_ids and e.type not in without]
        return found[:limit]

    async def head(self) -> int:
        return len(self._log)

    async def position_of(self, stream_id: str, version: int) -> int | None:
        stream = self._streams.get(stream_id, [])
        return stream[version - 1].position if 0 < version <= len(stream) else None

    async def last_of(self, stream_id: str) -> RecordedEvent | None:
        return next(reversed(self._streams.get(stream_id, [])), None)

    async def latest(self) -> tuple[str, int] | None:
        return (self._log[-1].stream_id, self._log[-1].version) if self._log else None
