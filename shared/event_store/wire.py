"""How events travel: columns of the log, and JSON bundles in messages."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from shared.contracts import SCHEMA_VERSIONS, encode
from shared.event_store.store import Metadata, RecordedEvent
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


def record_from_row(row: Any) -> RecordedEvent:
    """A row of (position, stream_id, version, event_id, type, schema_version, data, metadata,
    recorded_at) as an event in its present form."""
    position, stream_id, version, event_id, type_, schema_version, data, meta, recorded_at = row
    return RecordedEvent(
        position=position,
        stream_id=stream_id,
        version=version,
        type=type_,
        data=read_event(type_, schema_version, data),
        event_id=event_id,
        metadata=decode_metadata(meta),
        recorded_at=recorded_at,
    )


def encode_bundle(events: list[RecordedEvent]) -> bytes:
    """Sequenced events as the body of one message."""
    return msgspec.json.encode(
        [
            Envelope(
                position=event.position or 0,
                stream_id=event.stream_id,
                version=event.version,
                type=event.type,
                schema_version=SCHEMA_VERSIONS[event.type],
                event_id=event.event_id,
                recorded_at=event.recorded_at,
                metadata=event.metadata,
                data=msgspec.Raw(encode(event.data)),
            )
            for event in events
        ]
    )


def decode_bundle(body: bytes) -> list[RecordedEvent]:
    """The events of one message, by position. Raises msgspec errors and UnknownEventType."""
    events = [
        RecordedEvent(
            position=e.position,
            stream_id=e.stream_id,
            version=e.version,
            type=e.type,
            data=read_event(e.type, e.schema_version, bytes(e.data)),
            event_id=e.event_id,
            metadata=e.metadata,
            recorded_at=e.recorded_at,
        )
        for e in _bundle_decoder.decode(body)
    ]
    return sorted(events, key=lambda event: event.position or 0)
