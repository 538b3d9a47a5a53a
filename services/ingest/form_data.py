"""A multipart/form-data body (RFC 7578), parsed as it arrives: small fields, one streamed file.

Fields may stand before or after the file. Pure: bytes in, events out; only the present field is
kept in memory.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from multipart import (
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)

from shared.errors import InvalidInput

MAX_FIELD_BYTES: Final = 32 * 1024
MAX_PARTS: Final = 32
MAX_OVERHEAD_BYTES: Final = 1024 * 1024
"""All that is not the file: fields, headers, and the text before the first boundary."""
_CHARSET: Final = re.compile(r"[A-Za-z0-9'()+_,./:=? -]{1,70}\Z")


class MalformedForm(InvalidInput):
    """The body is not the form that its content type announces, or it ends too early."""

    code = "malformed_form"


class Field(msgspec.Struct, frozen=True):
    """A field's value."""

    name: str
    value: str


class FileStarted(msgspec.Struct, frozen=True):
    """The file's headers; its bytes follow as ``bytes``."""

    filename: str


class FileEnded(msgspec.Struct, frozen=True):
    """The file is whole."""


FormEvent = Field | FileStarted | bytes | FileEnded


class FormParser:
    """Call ``feed`` with the body as it arrives, and ``finish`` at its end."""

    def __init__(self, content_type: str | None, file_field: str) -> None:
        """Raises MalformedForm where the content type is another one or has no usable boundary."""
        kind, options = parse_options_header(content_type or "")
        if kind.lower() != "multipart/form-data":
            raise MalformedForm("Send this as multipart/form-data.")
        boundary = options.get("boundary", "")
        if not _CHARSET.match(boundary):
            raise MalformedForm("The content type has no usable boundary.")
        self._file_field = file_field
        self._parser: Any = PushMultipartParser(
            boundary, max_segment_count=MAX_PARTS, max_header_size=4096
        )
        self._files = 0
        self._overhead = 0
        self._name: str | None = None
        self._value = bytearray()

    def feed(self, chunk: bytes) -> Iterator[FormEvent]:
        """The events that ``chunk`` completes. Raises MalformedForm."""
        if not chunk or self._parser.closed:
            return
        try:
            self._overhead += len(chunk)
            for item in self._parser.parse(chunk):
                yield from self._event(item)
        except MultipartError as error:
            raise MalformedForm("The form cannot be read.") from error
        if self._overhead > MAX_OVERHEAD_BYTES:
            raise MalformedForm("The form holds too much besides the file.")

    def finish(self) -> None:
        """Raises MalformedForm where the body ended before the form did."""
        try:
            self._parser.close()
        except MultipartError as error:
            raise MalformedForm("The form ends too early.") from error

    def _event(self, item: "MultipartSegment | bytes | bytearray | None") -> Iterator[FormEvent]:
        if isinstance(item, MultipartSegment):
            yield from self._begin(item)
        elif item is None:
            if self._name is None:
                yield FileEnded()
            else:
                yield Field(self._name, self._text())
        elif self._name is None:
            self._overhead -= len(item)
            yield bytes(item)
        else:
            self._value += item
            if len(self._value) > MAX_FIELD_BYTES:
                raise MalformedForm(f"The field {self._shown()} is too long.")

    def _begin(self, segment: MultipartSegment) -> Iterator[FormEvent]:
        self._value.clear()
        if segment.filename is None:
            self._name = segment.name
            if segment.name == self._file_field:
                raise MalformedForm(f"The field {self._shown()} must be a file.")
            return
        self._name = None
        self._files += 1
        if segment.name != self._file_field or self._files > 1:
            raise MalformedForm(f"Send exactly one file, in the field {self._file_field}.")
        yield FileStarted(segment.filename)

    def _text(self) -> str:
        try:
            return self._value.decode()
        except UnicodeDecodeError:
            raise MalformedForm(f"The field {self._shown()} is not UTF-8.") from None

    def _shown(self) -> str:
        return (self._name or "")[:40]
