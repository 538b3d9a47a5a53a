"""The tus resumable upload protocol 1.0.0 (https://tus.io/protocols/resumable-upload): its headers.

Pure: header values in, typed values or a protocol error out.
"""

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Any, ClassVar, Final, Protocol

import msgspec

from shared.errors import CinelogError

VERSION: Final = "1.0.0"
EXTENSIONS: Final = (
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "checksum",
    "expiration",
    "termination",
    "concatenation",
)
CHECKSUM_ALGORITHMS: Final = ("sha1", "md5", "sha256", "sha512", "crc32")
CONTENT_TYPE: Final = "application/offset+octet-stream"

# What common clients say of a file (tus-js-client, Uppy, tusd's examples), besides its name.
METADATA_OF_CLIENTS: Final = frozenset(
    {
        *("filetype", "name", "type", "relativePath", "contentType", "mimetype"),
        *("size", "lastModified"),
    }
)
MAX_METADATA: Final = 16 * 1024
MAX_JOINED: Final = 1000
_NUMBER: Final = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z")
_UPLOAD_ID: Final = re.compile(
    r"(?:https?://[^/?#\s]+)?/[^?#\s]*?/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\Z"
)


class TusError(CinelogError):
    """A request that breaks the protocol. ``status`` is the protocol's HTTP status."""

    code = "tus_invalid_request"
    status: ClassVar[int] = 400


class UnsupportedVersion(TusError):
    code = "tus_unsupported_version"
    status = 412


class WrongContentType(TusError):
    code = "tus_wrong_content_type"
    status = 415


class OffsetMismatch(TusError):
    """The bytes would leave a gap or overwrite others; the client should ask for the offset."""

    code = "tus_offset_mismatch"
    status = 409

    def __init__(self, offset: int) -> None:
        super().__init__(f"The upload is at {offset}.")
        self.offset = offset


class ChecksumMismatch(TusError):
    """The body arrived damaged and was discarded. 460 is the protocol's own status."""

    code = "tus_checksum_mismatch"
    status = 460


class Join(msgspec.Struct, frozen=True):
    """Join these partial uploads, in this order."""

    upload_ids: tuple[str, ...]


class Creation(msgspec.Struct, frozen=True, kw_only=True):
    """A request to create an upload. ``length`` in bytes; None where it is deferred."""

    length: int | None
    metadata: Mapping[str, str]
    raw_metadata: str = ""
    partial: bool = False
    final: Join | None = None


class Digest(Protocol):
    """The part of hashlib's interface that is used."""

    def update(self, data: Any, /) -> None: ...
    def digest(self) -> bytes: ...


class Checksum(msgspec.Struct, frozen=True):
    """The expected hash of one request's body."""

    algorithm: str
    expected: bytes

    def start(self) -> Digest:
        """A hash over the body."""
        if self.algorithm == "crc32":
            return _Crc32()
        return hashlib.new(self.algorithm, usedforsecurity=False)


def check_version(headers: Mapping[str, str]) -> None:
    """Raises UnsupportedVersion."""
    if headers.get("tus-resumable") != VERSION:
        raise UnsupportedVersion(f"This server speaks tus {VERSION}.")


def parse_creation(headers: Mapping[str, str]) -> Creation:
    """The creation that the headers of a POST describe. Raises TusError."""
    raw = headers.get("upload-metadata", "")
    metadata = parse_metadata(raw)
    concat = headers.get("upload-concat")
    if concat is not None and concat.startswith("final;"):
        if "upload-length" in headers or "upload-defer-length" in headers:
            raise TusError("A final upload has no length of its own.")
        return Creation(
            length=None, metadata=metadata, raw_metadata=raw, final=_parse_final(concat)
        )
    if concat not in {None, "partial"}:
        raise TusError("Upload-Concat is neither partial nor final.")
    length = parse_number(headers, "upload-length")
    deferred = headers.get("upload-defer-length")
    if deferred not in {None, "1"} or (length is None) == (deferred is None):
        raise TusError("Give either Upload-Length or Upload-Defer-Length: 1.")
    return Creation(length=length, metadata=metadata, raw_metadata=raw, partial=concat == "partial")


def parse_number(headers: Mapping[str, str], name: str) -> int | None:
    """A header that holds a non-negative integer; None where it is missing. Raises TusError."""
    value = headers.get(name)
    if value is None:
        return None
    if not _NUMBER.match(value):
        raise TusError(f"{name.title()} must be a non-negative integer.")
    return int(value)


def parse_offset(headers: Mapping[str, str]) -> int:
    """Raises TusError."""
    offset = parse_number(headers, "upload-offset")
    if offset is None:
        raise TusError("Upload-Offset is missing.")
    return offset


def parse_metadata(value: str) -> dict[str, str]:
    """Pairs of a key and, in base64, a value: ``filename YS5tcDQ=,is_private``. Raises TusError."""
    if len(value) > MAX_METADATA:
        raise TusError("Upload-Metadata is too long.")
    pairs: dict[str, str] = {}
    for item in value.split(",") if value.strip() else ():
        key, _, encoded = item.strip().partition(" ")
        if not key or not key.isascii() or key in pairs:
            raise TusError("Upload-Metadata has an empty or repeated key.")
        try:
            pairs[key] = base64.b64decode(encoded.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise TusError(f"Upload-Metadata: {key[:40]} is not UTF-8 in base64.") from None
    return pairs


def parse_checksum(headers: Mapping[str, str]) -> Checksum | None:
    """``Upload-Checksum: sha1 <base64>``. Raises TusError."""
    value = headers.get("upload-checksum")
    if value is None:
        return None
    algorithm, _, encoded = value.strip().partition(" ")
    if algorithm not in CHECKSUM_ALGORITHMS:
        raise TusError(f"Checksums may be {', '.join(CHECKSUM_ALGORITHMS)}.")
    try:
        expected = base64.b64decode(encoded.strip(), validate=True)
    except binascii.Error:
        raise TusError("Upload-Checksum is not base64.") from None
    checksum = Checksum(algorithm, expected)
    if len(expected) != len(checksum.start().digest()):
        raise TusError(f"Upload-Checksum is no {algorithm}.")
    return checksum


def check_content_type(headers: Mapping[str, str]) -> None:
    """Raises WrongContentType."""
    if headers.get("content-type") != CONTENT_TYPE:
        raise WrongContentType(f"Send this as {CONTENT_TYPE}.")


def expires(at: datetime) -> str:
    """``Upload-Expires``: an HTTP date (RFC 9110, section 5.6.7)."""
    return format_datetime(at, usegmt=True)


def _parse_final(concat: str) -> Join:
    urls = concat.removeprefix("final;").split()
    matches = [_UPLOAD_ID.match(url) for url in urls]
    ids = tuple(match[1] for match in matches if match is not None)
    if not ids or len(ids) != len(urls) or len(ids) > MAX_JOINED:
        raise TusError("Upload-Concat does not list uploads of this server.")
    return Join(ids)


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: Any, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")
