"""Resumable Uploads for HTTP (draft-ietf-httpbis-resumable-upload): its header fields.

Pure. Values are structured fields (RFC 9651); a malformed one counts as not sent, as the draft
requires. Unlike in tus, the client marks the end by ``Upload-Complete: ?1``.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from services.ingest.tus import TusError

CONTENT_TYPE: Final = "application/partial-upload"

_INTEGER: Final = re.compile(r"\s*(\d{1,15})\s*(?:;.*)?\Z", re.ASCII)
_BOOLEAN: Final = re.compile(r"\s*\?([01])\s*(?:;.*)?\Z", re.ASCII)
_FILENAME: Final = re.compile(r';\s*filename="((?:[^"\\]|\\.)*)"', re.IGNORECASE)


class DraftError(TusError):
    """A request that breaks the draft."""

    code = "resumable_upload_invalid_request"


class Announced(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a request ends the upload, and the upload's ``length`` in bytes, if known."""

    complete: bool
    length: int | None


def speaks(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a request to the upload resource uses this protocol and not tus."""
    if "tus-resumable" in headers:
        return False
    if method == "POST":
        return boolean(headers, "upload-complete") is not None
    if method == "PATCH":
        return _media_type(headers) == CONTENT_TYPE
    return True


def announced(headers: Mapping[str, str], offset: int) -> Announced:
    """Raises DraftError where Upload-Complete is missing or the lengths contradict each other."""
    complete = boolean(headers, "upload-complete")
    if complete is None:
        raise DraftError("Upload-Complete is missing.")
    length = integer(headers, "upload-length")
    content = integer(headers, "content-length")
    if complete and content is not None:
        if length not in {None, offset + content}:
            raise DraftError("Upload-Length and Content-Length do not agree.")
        length = offset + content
    return Announced(complete=complete, length=length)


def offset(headers: Mapping[str, str]) -> int:
    """Raises DraftError."""
    value = integer(headers, "upload-offset")
    if value is None:
        raise DraftError("Upload-Offset is missing.")
    return value


def integer(headers: Mapping[str, str], name: str) -> int | None:
    """A non-negative Integer item."""
    match = _INTEGER.match(headers.get(name, ""))
    return int(match[1]) if match else None


def boolean(headers: Mapping[str, str], name: str) -> bool | None:
    """A Boolean item."""
    match = _BOOLEAN.match(headers.get(name, ""))
    return match[1] == "1" if match else None


def filename(headers: Mapping[str, str]) -> str:
    """The file name of a Content-Disposition (RFC 6266), or an empty text."""
    match = _FILENAME.search(headers.get("content-disposition", ""))
    return re.sub(r"\\(.)", r"\1", match[1]) if match else ""


def limits(max_bytes: int, seconds_left: float | None = None) -> str:
    """``Upload-Limit``."""
    age = "" if seconds_left is None else f", max-age={max(0, int(seconds_left))}"
    return f"max-size={max_bytes}{age}"


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()
