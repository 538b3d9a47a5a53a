"""Events as columns of the log, and as JSON bundles in messages."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from shared.contracts import Event, UnknownEventType
from shared.event_store.store import (
    Metadata,
    RecordedEvent,
    SequencedEvent,
    Unreadable,
    UnreadableStream,
)
from shared.event_store.upcast import read_event

_metadata_encoder = msgspec.json.Encoder()
_metadata_decoder = msgspec.json.Decoder(Metadata)


EVENT_COLUMNS: Final = """
p.position, e.stream_id, e.version, e.event_id, e.type, e.schema_version,
e.data::text, e.metadata::text, e.recorded_at
"""
"""The columns of ``log.events e`` and ``log.positions p`` that the functions below read."""


class Envelope(msgspec.Struct, frozen=True):
    """One event in a message; ``metadata`` and ``data`` are JSON that the relay does not decode."""

    position: int
    stream_id: str
    version: int
    type: str
    schema_version: int
    event_id: UUID
    recorded_at: datetime
    metadata: msgspec.Raw
    data: msgspec.Raw

    @property
    def traceparent(self) -> str | None:
        """The traceparent of its metadata, if it can be decoded and has one."""
        try:
            return _metadata_decoder.decode(self.metadata).traceparent
        except msgspec.MsgspecError:
            return None


_bundle_decoder = msgspec.json.Decoder(list[Envelope])


def encode_metadata(metadata: Metadata) -> str:
    """Metadata as the JSON text that the log stores."""
    return _metadata_encoder.encode(metadata).decode()


def decode_metadata(text: str) -> Metadata:
    """Metadata from the log."""
    return _metadata_decoder.decode(text)


def read_or_stand_in(type_name: str, schema_version: int, data: bytes | str) -> Event:
    """The event, or an Unreadable with the reason why it cannot be decoded."""
    try:
        return read_event(type_name, schema_version, data)
    except (UnknownEventType, msgspec.MsgspecError) as error:
        return Unreadable(reason=f"{type(error).__name__}: {error}")


def _read_with_metadata(
    type_name: str, schema_version: int, data: bytes | str, metadata: bytes | str
) -> tuple[Event, Metadata]:
    """The event and its origin. Metadata that cannot be decoded make the event Unreadable."""
    try:
        return read_or_stand_in(type_name, schema_version, data), _metadata_decoder.decode(metadata)
    except msgspec.MsgspecError as error:
        return Unreadable(reason=f"metadata: {type(error).__name__}: {error}"), Metadata()


def stream_from_rows(rows: Sequence[Any]) -> list[RecordedEvent]:
    """Rows of one stream as its events. Raises UnreadableStream."""
    return [readable(recorded_from_row(row)) for row in rows]


def readable(event: RecordedEvent) -> RecordedEvent:
    """The event itself. Raises UnreadableStream for one that this build cannot decode."""
    if isinstance(event.data, Unreadable):
        raise UnreadableStream(event.stream_id, event.version, event.data.reason)
    return event


def recorded_from_row(row: Any) -> RecordedEvent:
    """A row of ``EVENT_COLUMNS`` as an event; a SequencedEvent if it has a position."""
    if row["position"] is not None:
        return sequenced_from_row(row)
    data, metadata = _of_row(row)
    return RecordedEvent(
        stream_id=row["stream_id"],
        version=row["version"],
        type=row["type"],
        data=data,
        event_id=row["event_id"],
        metadata=metadata,
        recorded_at=row["recorded_at"],
    )


def sequenced_from_row(row: Any) -> SequencedEvent:
    """A row of ``EVENT_COLUMNS`` that has a position, as an event."""
    data, metadata = _of_row(row)
    return SequencedEvent(
        position=row["position"],
        stream_id=row["stream_id"],
        version=row["version"],
        type=row["type"],
        data=data,
        event_id=row["event_id"],
        metadata=metadata,
        recorded_at=row["recorded_at"],
    )


def _of_row(row: Any) -> tuple[Event, Metadata]:
    return _read_with_metadata(row["type"], row["schema_version"], row["data"], row["metadata"])


def envelope_from_row(row: Any) -> Envelope:
    """A row of ``EVENT_COLUMNS`` for the relay, which decodes neither data nor metadata."""
    return Envelope(
        position=row["position"],
        stream_id=row["stream_id"],
        version=row["version"],
        type=row["type"],
        schema_version=row["schema_version"],
        event_id=row["event_id"],
        recorded_at=row["recorded_at"],
        metadata=msgspec.Raw(row["metadata"].encode()),
        data=msgspec.Raw(row["data"].encode()),
    )


def encode_bundle(envelopes: Sequence[Envelope]) -> bytes:
    """Sequenced events as the body of one message."""
    return msgspec.json.encode(envelopes)


def decode_bundle(body: bytes) -> list[SequencedEvent]:
    """The events of one message, ordered by position. Raises msgspec errors if it is no bundle."""
    events = [_of_envelope(envelope) for envelope in _bundle_decoder.decode(body)]
    return sorted(events, key=lambda event: event.position)


def _of_envelope(envelope: Envelope) -> SequencedEvent:
    data, metadata = _read_with_metadata(
        envelope.type, envelope.schema_version, bytes(envelope.data), bytes(envelope.metadata)
    )
    return SequencedEvent(
        position=envelope.position,
        stream_id=envelope.stream_id,
        version=envelope.version,
        type=envelope.type,
        data=data,
        event_id=envelope.event_id,
        metadata=metadata,
        recorded_at=envelope.recorded_at,
    )
