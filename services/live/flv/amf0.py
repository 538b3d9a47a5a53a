"""AMF0, the values in commands of RTMP (Action Message Format 0, 2007). Pure."""

import struct
from typing import Any, Final

_MAX_VALUES: Final = 2000
_MAX_DEPTH: Final = 8


class MalformedAmf(Exception):
    """The bytes are no AMF0, or more than a command needs."""


def read(data: bytes) -> list[Any]:
    """All values: float, bool, str, dict, list or None. Raises MalformedAmf.

    Behind a value of an unknown type nothing can be read, because its size is unknown: what stands
    before it is kept.
    """
    reader = _Reader(data)
    found: list[Any] = []
    while reader.at < len(data):
        try:
            found.append(reader.value(0))
        except _UnknownType:
            break
    return found


class _UnknownType(Exception):
    pass


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._values = 0
        self.at = 0

    def _take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self._data):
            raise MalformedAmf("a value is cut off")
        taken = self._data[self.at : end]
        self.at = end
        return taken

    def _number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "big")

    def _text(self, size: int) -> str:
        return self._take(size).decode("utf-8", "replace")

    def value(self, depth: int) -> Any:  # noqa: PLR0911, PLR0912 - one case per type
        self._values += 1
        if self._values > _MAX_VALUES or depth > _MAX_DEPTH:
            raise MalformedAmf("too many values")
        kind = self._number(1)
        match kind:
            case 0:
                return struct.unpack(">d", self._take(8))[0]
            case 1:
                return self._number(1) != 0
            case 2:
                return self._text(self._number(2))
            case 3:
                return self._members(depth)
            case 8:
                self._take(4)
                return self._members(depth)
            case 16:
                self._text(self._number(2))
                return self._members(depth)
            case 10:
                # Each value takes a byte at least, so a count that lies ends with the data.
                return [self.value(depth + 1) for _ in range(self._number(4))]
            case 11:
                return struct.unpack(">d2x", self._take(10))[0]
            case 12 | 15:
                return self._text(self._number(4))
            case 5 | 6 | 13:
                return None
            case 7:
                self._take(2)
                return None
            case _:
                raise _UnknownType

    def _members(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while True:
            size = self._number(2)
            if size == 0 and self._data[self.at : self.at + 1] == b"\x09":
                self.at += 1
                return found
            name = self._text(size)
            found[name] = self.value(depth + 1)


def write(*values: Any) -> bytes:
    """Values as AMF0: None, bool, numbers, str, list, dict."""
    return b"".join(map(_written, values))


def _written(value: Any) -> bytes:
    match value:
        case None:
            return b"\x05"
        case bool():
            return bytes((1, value))
        case int() | float():
            return b"\x00" + struct.pack(">d", value)
        case str():
            return b"\x02" + _short_text(value)
        case list():
            return b"\x0a" + len(value).to_bytes(4, "big") + write(*value)
        case _:
            members = (_short_text(name) + _written(inner) for name, inner in value.items())
            return b"\x03" + b"".join(members) + b"\x00\x00\x09"


def _short_text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2, "big") + encoded
