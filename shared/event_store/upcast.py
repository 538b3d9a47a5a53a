"""Converts events of old schema versions to the current one when they are read.

The log is never rewritten. A change of an event's schema raises its version in
``SCHEMA_VERSIONS`` and adds an upcaster from the previous version to UPCASTERS. Golden files in
``tests/contract/golden`` hold every version that was ever written.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from shared.contracts import EVENT_TYPES, SCHEMA_VERSIONS, Event, UnknownEventType, decode

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]


def _same(data: dict[str, Any]) -> dict[str, Any]:
    """Only an optional field was added."""
    return data


def _public(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "visibility": "public"}


UPCASTERS: Final[Mapping[tuple[str, int], Upcaster]] = {
    # Segments got ``key_bytes``.
    ("ChunkEncoded", 1): _same,
    # Objects got sizes and hashes.
    ("AudioEncoded", 1): _same,
    ("ChunkEncoded", 2): _same,
    ("MediaCompacted", 1): _same,
    ("MediaRestored", 1): _same,
    ("ThumbnailsCreated", 1): _same,
    ("TranscodeCompleted", 1): _same,
    # Plans got ``borders``, ``picture_delay_us`` and ``remuxed_key``.
    ("TranscodePlanned", 1): _same,
    # Tracks got ``stream``, pictures ``mirrored``, sources ``notes``, attempts ``plain``.
    ("TranscodePlanned", 2): _same,
    # Pictures got ``mastering``, ``light`` and ``dolby_vision``; renditions got ``video_range``.
    ("TranscodePlanned", 3): _same,
    # Sources got ``texts``, captions ``origin``.
    ("TranscodePlanned", 4): _same,
    ("CaptionsStored", 1): _same,
    ("TranscodeCompleted", 2): _same,
    ("TranscodeRetried", 1): _same,
    # Sessions got their numbers of viewers, streams ``chat``.
    ("LiveEnded", 1): _same,
    ("LiveStreamChanged", 1): _same,
    ("LiveStreamCreated", 1): _same,
    # Every video was public at first; uploads got ``visibility``, drafts ``publish_at``.
    ("UploadStarted", 1): _public,
    ("VideoUploaded", 1): _same,
    ("VisibilityChanged", 1): _same,
    # Uploads got ``hdr``.
    ("VideoUploaded", 2): _same,
    # Uploads got ``downloads``.
    ("VideoUploaded", 3): _same,
}
"""Maps (type, version) to the function that converts to version + 1."""


def read_event(
    type_name: str,
    schema_version: int,
    data: bytes | str,
    *,
    upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
    current: Mapping[str, int] = SCHEMA_VERSIONS,
) -> Event:
    """Decode an event of any schema version into its current type.

    Raises UnknownEventType for a type or version that this build does not know, and
    msgspec.ValidationError for data that does not match.
    """
    newest = current.get(type_name)
    if newest is None:
        raise UnknownEventType(type_name)
    if schema_version == newest:
        return decode(type_name, data)
    raw: dict[str, Any] = msgspec.json.decode(data, type=dict[str, Any])
    for version in range(schema_version, newest):
        upcaster = upcasters.get((type_name, version))
        if upcaster is None:
            raise UnknownEventType(f"{type_name} version {version}")
        raw = upcaster(raw)
    if schema_version > newest:
        raise UnknownEventType(f"{type_name} version {schema_version}")
    return msgspec.convert(raw, EVENT_TYPES[type_name])
