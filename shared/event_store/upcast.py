"""Old forms of events, brought to the present one when they are read.

The log is never rewritten. When an event's schema grows, its version in ``SCHEMA_VERSIONS`` is
raised and an upcaster from the version before is added to UPCASTERS; golden files in
``tests/contract/golden`` pin every form ever written.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from shared.contracts import EVENT_TYPES, SCHEMA_VERSIONS, Event, UnknownEventType, decode

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]


def _same(data: dict[str, Any]) -> dict[str, Any]:
    """Only an optional field was added."""
    return data


UPCASTERS: Final[Mapping[tuple[str, int], Upcaster]] = {
    # Segments say how many of their bytes hold their first picture; older ones do not.
    ("ChunkEncoded", 1): _same,
    # Segments may follow the source's key frames, and tasks read a copy of the source; older
    # plans have neither.
    ("TranscodePlanned", 1): _same,
}
"""From (type, version) to the function that turns it into version + 1."""


def read_event(
    type_name: str,
    schema_version: int,
    data: bytes | str,
    *,
    upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
    current: Mapping[str, int] = SCHEMA_VERSIONS,
) -> Event:
    """The event in its present form, whichever version it was written in.

    Raises UnknownEventType for a type or a version this build does not know, and
    msgspec.ValidationError for data that do not fit.
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
