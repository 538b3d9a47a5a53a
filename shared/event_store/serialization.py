"""How events travel: columns of the log, and JSON bundles in messages."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from shared.contracts import Event, UnknownEventType
from shared.event_store.store import Metadata, RecordedEvent, Unreadable
from shared.event_store.upcast import read_event

_metadata_encoder = msgspec.json.Encoder()
_metadata_decoder = msgspec.json.Decoder(Metadata)


class Envelope(msgspec.Struct, frozen=True):
    """One event as it stands in a message; ``data`` is the event's own JSON."""

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
    """The event, or an Unreadable that says why it cannot be read."""
    try:
        return read_event(type_name, schema_version, data)
    except (UnknownEventType, msgspec.MsgspecError) as error:
        return Unreadable(reason=f"{type(error).__name__}: {error}")


def record_from_row(row: Any, read: Reader) -> RecordedEvent:
    """A row of (position, stream_id, version, event_id, type, schema_version, data, metadata,
    recorded_at) as an event in its present form."""
    position, stream_id, version, event_id, type_, schema_version, data, meta, recorded_at = row
    return RecordedEvent(
        position=position,
        stream_id=stream_id,
        version=version,
        type=type_,
        data=read(type_, schema_version, data),
        event_id=event_id,
        metadata=decode_metadata(meta),
        recorded_at=recorded_at,
    )


def envelope_from_row(row: Any) -> Envelope:
    """The same row, its data left as they stand: the relay carries what it need not understand."""
    position, stream_id, version, event_id, type_, schema_version, data, meta, recorded_at = row
    return Envelope(
        position=position,
        stream_id=stream_id,
        version=version,
        type=type_,
        schema_version=schema_version,
        event_id=event_id,
        recorded_at=recorded_at,
        metadata=decode_metadata(meta),
        data=msgspec.Raw(data.encode()),
    )


def encode_bundle(envelopes: Sequence[Envelope]) -> bytes:
    """Sequenced events as the body of one message."""
    return msgspec.json.encode(envelopes)


def decode_bundle(body: bytes) -> list[RecordedEvent]:
    """The events of one message, by position. Raises msgspec errors where it is no bundle."""
    events = [
        RecordedEvent(
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
    return sorted(events, key=lambda event: event.position or 0)
