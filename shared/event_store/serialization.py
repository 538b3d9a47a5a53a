"""Events as columns of the log, and as JSON bundles in messages."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from shared.contracts import Event, UnknownEventType
from shared.event_store.store import Metadata, RecordedEvent, SequencedEvent, Unreadable
from shared.event_store.upcast import read_event

_metadata_encoder = msgspec.json.Encoder()
_metadata_decoder = msgspec.json.Decoder(Metadata)


EVENT_COLUMNS: Final = """
p.position, e.stream_id, e.version, e.event_id, e.type, e.schema_version,
e.data::text, e.metadata::text, e.recorded_at
"""
"""The columns of ``log.events e`` and ``log.positions p`` that the functions below read."""


class Envelope(msgspec.Struct, frozen=True):
    """One event in a message; ``data`` is the event's JSON."""

    position: int
    stream_id: str
    version: int
    type: str
    schema_version: int
    event_id: UUID
    recorded_at: datetime
    metadata: Metadata
    data: msgspec.Raw


_bundle_decoder = msgspec.json.Decoder(list[Envelope])


def encode_metadata(metadata: Metadata) -> str:
    """Metadata as the JSON text that the log stores."""
    return _metadata_encoder.encode(metadata).decode()


def decode_metadata(text: str) -> Metadata:
    """Metadata from the log."""
    return _metadata_decoder.decode(text)


Reader = Callable[[str, int, bytes | str], Event]


def read_or_stand_in(type_name: str, schema_version: int, data: bytes | str) -> Event:
    """The event, or an Unreadable with the reason why it cannot be decoded."""
    try:
        return read_event(type_name, schema_version, data)
    except (UnknownEventType, msgspec.MsgspecError) as error:
        return Unreadable(reason=f"{type(error).__name__}: {error}")


def recorded_from_row(row: Any, read: Reader) -> RecordedEvent:
    """A row of ``EVENT_COLUMNS`` as an event; a SequencedEvent if it has a position."""
    if row["position"] is not None:
        return sequenced_from_row(row, read)
    return RecordedEvent(
        stream_id=row["stream_id"],
        version=row["version"],
        type=row["type"],
        data=read(row["type"], row["schema_version"], row["data"]),
        event_id=row["event_id"],
        metadata=decode_metadata(row["metadata"]),
        recorded_at=row["recorded_at"],
    )


def sequenced_from_row(row: Any, read: Reader) -> SequencedEvent:
    """A row of ``EVENT_COLUMNS`` that has a position, as an event."""
    return SequencedEvent(
        position=row["position"],
        stream_id=row["stream_id"],
        version=row["version"],
        type=row["type"],
        data=read(row["type"], row["schema_version"], row["data"]),
        event_id=row["event_id"],
        metadata=decode_metadata(row["metadata"]),
        recorded_at=row["recorded_at"],
    )


def envelope_from_row(row: Any) -> Envelope:
    """A row of ``EVENT_COLUMNS`` for the relay, which does not decode an event's data."""
    return Envelope(
        position=row["position"],
        stream_id=row["stream_id"],
        version=row["version"],
        type=row["type"],
        schema_version=row["schema_version"],
        event_id=row["event_id"],
        recorded_at=row["recorded_at"],
        metadata=decode_metadata(row["metadata"]),
        data=msgspec.Raw(row["data"].encode()),
    )


def encode_bundle(envelopes: Sequence[Envelope]) -> bytes:
    """Sequenced events as the body of one message."""
    return msgspec.json.encode(envelopes)


def decode_bundle(body: bytes) -> list[SequencedEvent]:
    """The events of one message, ordered by position. Raises msgspec errors if it is no bundle."""
    events = [
        SequencedEvent(
            position=e.position,
            stream_id=e.stream_id,
            version=e.version,
            type=e.type,
            data=read_or_stand_in(e.type, e.schema_version, bytes(e.data)),
            event_id=e.event_id,
            metadata=e.metadata,
            recorded_at=e.recorded_at,
        )
        for e in _bundle_decoder.decode(body)
    ]
    return sorted(events, key=lambda event: event.position)
