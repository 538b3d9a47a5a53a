"""The format of an archived range in a bucket. Pure.

A range is two objects: its events as compressed JSON lines (zstd), and a manifest with their hash
and the hash of the previous manifest. The hash of the last manifest therefore proves that nothing
in the chain was changed, removed or reordered.
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from backports import zstd

PREFIX: Final = "log/"
FORMAT: Final = 1
# A range that claims a larger size is refused unread. Writers close ranges far below it.
MAX_RAW_BYTES: Final = 1 << 30
_LEVEL: Final = 9
_MANIFESTS: Final = "manifests/"
_MANIFEST_NAME: Final = re.compile(r"(\d{10})\.json")


class ArchivedEvent(msgspec.Struct, frozen=True):
    """One event of the log; ``data`` and ``metadata`` are not decoded."""

    position: int
    stream_id: str
    version: int
    type: str
    schema_version: int
    event_id: UUID
    recorded_at: datetime
    metadata: msgspec.Raw
    data: msgspec.Raw


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Range ``number`` (from 1): the events from position ``first`` to ``last``.

    ``sha256`` and ``bytes`` describe the stored object, ``raw_bytes`` is its uncompressed size.
    ``previous`` is the hash of the previous manifest, None for the first one.
    """

    format: int
    number: int
    first: int
    last: int
    last_event_id: UUID
    object: str
    bytes: int
    sha256: str
    raw_bytes: int
    previous: str | None
    created_at: datetime


class BadArchive(ValueError):
    """The archive is damaged or incomplete; the message says where."""


_line_decoder = msgspec.json.Decoder(ArchivedEvent)
_manifest_decoder = msgspec.json.Decoder(Manifest)


def digest(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def manifests_prefix(prefix: str) -> str:
    """The key prefix of an archive's manifests."""
    return prefix + _MANIFESTS


def manifest_key(prefix: str, number: int) -> str:
    """The key of range ``number``'s manifest; keys sort as numbers do."""
    return f"{prefix}{_MANIFESTS}{number:010d}.json"


def manifest_number(prefix: str, key: str) -> int | None:
    """The number of the range whose manifest has this key, or None for any other key."""
    found = _MANIFEST_NAME.fullmatch(key.removeprefix(manifests_prefix(prefix)))
    return int(found[1]) if found else None


def object_key(prefix: str, first: int, last: int, sha256: str) -> str:
    """The key of a range's events. It contains the hash, so no object is ever overwritten."""
    return f"{prefix}events/{first:019d}-{last:019d}-{sha256[:16]}.jsonl.zst"


def archived_from_row(row: Any) -> ArchivedEvent:
    """An event from a row of ``serialization.EVENT_COLUMNS``."""
    return ArchivedEvent(
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


def pack(events: Sequence[ArchivedEvent]) -> tuple[bytes, int]:
    """The compressed events, and their uncompressed size in bytes."""
    raw = msgspec.json.Encoder().encode_lines(events)
    options: dict[int, int] = {
        zstd.CompressionParameter.compression_level: _LEVEL,
        zstd.CompressionParameter.checksum_flag: True,
    }
    return zstd.compress(raw, options=options), len(raw)


def unpack(manifest: Manifest, data: bytes) -> list[ArchivedEvent]:
    """The events of a range. Raises BadArchive if they differ from what was archived."""
    if len(data) != manifest.bytes or digest(data) != manifest.sha256:
        raise BadArchive(f"{manifest.object} is not the object that was archived")
    decompressor = zstd.ZstdDecompressor()
    try:
        raw = decompressor.decompress(data, manifest.raw_bytes + 1)
    except zstd.ZstdError as error:
        raise BadArchive(f"{manifest.object} does not unpack: {error}") from error
    if len(raw) != manifest.raw_bytes or not decompressor.eof:
        raise BadArchive(f"{manifest.object} unpacks to another size than was archived")
    try:
        events = _line_decoder.decode_lines(raw)
    except msgspec.MsgspecError as error:
        raise BadArchive(f"{manifest.object} holds something that is no event: {error}") from error
    positions = [event.position for event in events]
    if positions != list(range(manifest.first, manifest.last + 1)):
        raise BadArchive(f"{manifest.object} does not hold its positions, each once and in order")
    return events


def read_manifest(
    data: bytes, number: int, before: Manifest | None, hashed: str | None
) -> Manifest:
    """Decode the manifest of range ``number`` and check that it follows ``before``, whose hash is
    ``hashed``. Raises BadArchive."""
    try:
        manifest = _manifest_decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise BadArchive(f"manifest {number} cannot be read: {error}") from error
    if manifest.format != FORMAT:
        raise BadArchive(f"manifest {number} has the unknown format {manifest.format}")
    if manifest.number != number:
        raise BadArchive(f"manifest {number} says that it is number {manifest.number}")
    if not 0 < manifest.raw_bytes <= MAX_RAW_BYTES:
        raise BadArchive(f"manifest {number} states an impossible size")
    if manifest.previous != hashed:
        raise BadArchive(f"manifest {number} does not follow the manifest before it")
    if manifest.first != (before.last if before else 0) + 1 or manifest.last < manifest.first:
        raise BadArchive(f"manifest {number} does not begin where the range before it ends")
    return manifest


def decode_manifest(data: bytes) -> Manifest:
    """Decode a manifest, without checking the chain. Raises BadArchive."""
    try:
        return _manifest_decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise BadArchive(f"a manifest cannot be read: {error}") from error
