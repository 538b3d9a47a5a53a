"""One line per request. JSON, gathered for a moment and written together; coloured text locally.

Never a query string, a token or a body; an address only because abuse has to be traceable.
"""

import asyncio
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from msgspec import Struct
from msgspec.json import Encoder

_FLUSH = 0.2  # seconds
_FULL = 256  # lines


class Line(Struct):
    """What there is to say about a request. `sent` counts the answer's body, in bytes."""

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


class Entry(NamedTuple):
    """A request that was answered, as it is noted at once; its line is written later."""

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

    A request only notes what there is to say: the lines are made together, which is cheaper, and
    no answer waits for its own.
    """

    def __init__(self, local: bool, write: Callable[[bytes], object] | None = None) -> None:
        self._write = write or sys.stdout.buffer.write
        self._render = _for_people if local else Encoder().encode_lines
        self._entries: list[Entry] = []
        self._timer: asyncio.TimerHandle | None = None
        self._second = 0
        self._stamp = ""

    def add(self, entry: Entry) -> None:
        """A request is answered."""
        entries = self._entries
        entries.append(entry)
        if len(entries) >= _FULL:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH, self.flush)

    def flush(self) -> None:
        """Write what has gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._entries:
            entries, self._entries = self._entries, []
            self._write(self._render([self._line(entry) for entry in entries]))
            sys.stdout.flush()

    def _line(self, entry: Entry) -> Line:
        return Line(
            self._time(entry.at),
            "gateway",
            "http.access",
            "info" if entry.status < 500 else "warning",
            "request",
            entry.method,
            entry.route,
            entry.path.decode("latin-1"),
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
        """A time to the millisecond; the part before it changes once a second."""
        second = int(at)
        if second != self._second:
            self._second = second
            self._stamp = datetime.fromtimestamp(second, UTC).isoformat()[:19]
        return f"{self._stamp}.{int((at - second) * 1000):03}Z"


def _for_people(lines: Iterable[Line]) -> bytes:
    return "".join(
        f"{line.timestamp} {line.status} {line.method:6} {line.path} {line.ms} ms"
        f" {line.upstream} {line.client}\n"
        for line in lines
    ).encode("latin-1", "replace")
