"""The access log: one line per request, as JSON, or as text on a developer's machine.

A line contains no query string, token or body, and of a path nothing that may be a secret: media
addresses hold grants. It contains the client's address, because abuse must be traceable.
"""

import asyncio
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec

# Lines are written together: after this many seconds, or lines.
_FLUSH_SECONDS: Final = 0.2
_FLUSH_LINES: Final = 256
_MEDIA: Final = b"/media/"
_PUBLIC: Final = (b"public", b"")
_HIDDEN: Final = b"***"
# A UUID has 36 characters, a grant 89.
_LONGEST_PART: Final = 40


class Line(msgspec.Struct):
    """A line of the log. ``sent`` are the bytes of the answer's body, ``ms`` milliseconds."""

    timestamp: str
    service: str
    logger: str
    level: str
    event: str
    method: str
    route: str
    path: str
    status: int
    ms: float
    sent: int
    client: str
    user: str
    upstream: str
    trace_id: str
    request_id: str


class Entry(msgspec.Struct, frozen=True, gc=False):
    """An answered request, whose line is made later. ``at`` is in Unix seconds."""

    at: float
    method: str
    route: str
    path: bytes
    status: int
    seconds: float
    sent: int
    client: str
    user: str
    upstream: str
    trace_id: bytes
    request_id: bytes


class AccessLog:
    """Writes lines, by default to standard output.

    Lines are made together, outside of any request: that is cheaper, and no answer waits for one.
    """

    def __init__(self, local: bool, write: Callable[[bytes], object] | None = None) -> None:
        self._write = write or sys.stdout.buffer.write
        self._render = _as_text if local else msgspec.json.Encoder().encode_lines
        self._entries: list[Entry] = []
        self._timer: asyncio.TimerHandle | None = None
        self._second = 0
        self._stamp = ""

    def add(self, entry: Entry) -> None:
        """Record an answered request."""
        entries = self._entries
        entries.append(entry)
        if len(entries) >= _FLUSH_LINES:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write the lines of all requests recorded so far."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._entries:
            entries, self._entries = self._entries, []
            # A crowd asks for the same paths.
            shown = {path: _shown(path) for path in {entry.path for entry in entries}}
            self._write(self._render([self._line(entry, shown[entry.path]) for entry in entries]))
            sys.stdout.flush()

    def _line(self, entry: Entry, path: str) -> Line:
        return Line(
            self._time(entry.at),
            "gateway",
            "http.access",
            "info" if entry.status < 500 else "warning",
            "request",
            entry.method,
            entry.route,
            path,
            entry.status,
            round(entry.seconds * 1000, 2),
            entry.sent,
            entry.client,
            entry.user,
            entry.upstream,
            entry.trace_id.decode(),
            entry.request_id.decode(),
        )

    def _time(self, at: float) -> str:
        """A time to the millisecond. Its text up to the second is made once a second."""
        second = int(at)
        if second != self._second:
            self._second = second
            self._stamp = datetime.fromtimestamp(second, UTC).isoformat()[:19]
        return f"{self._stamp}.{int((at - second) * 1000):03}Z"


def _shown(path: bytes) -> str:
    """A path without what may be a secret, also where it is no path of ours.

    Our grants and tokens are longer than any other part of a path, so long parts are left out, and
    of ``/media`` whatever stands in the place of the grant.
    """
    if len(path) <= _LONGEST_PART and not path.startswith(_MEDIA):
        return path.decode("latin-1")
    parts = [part if len(part) <= _LONGEST_PART else _HIDDEN for part in path.split(b"/")]
    if path.startswith(_MEDIA) and parts[2] not in _PUBLIC:
        parts[2] = _HIDDEN
    return b"/".join(parts).decode("latin-1")


def _as_text(lines: Iterable[Line]) -> bytes:
    return "".join(
        f"{line.timestamp} {line.status} {line.method:6} {line.path} {line.ms} ms"
        f" {line.upstream} {line.client}\n"
        for line in lines
    ).encode("latin-1", "replace")
