"""One line per request. JSON, gathered for a moment and written together; coloured text locally.

Never a query string, a token or a body; an address only because abuse has to be traceable.
"""

import asyncio
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from time import time

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


class AccessLog:
    """Writes lines, by default to standard output."""

    def __init__(self, local: bool, write: Callable[[bytes], object] | None = None) -> None:
        self._write = write or sys.stdout.buffer.write
        self._render = _for_people if local else Encoder().encode_lines
        self._lines: list[Line] = []
        self._timer: asyncio.TimerHandle | None = None
        self._second = 0
        self._stamp = ""

    def add(  # noqa: PLR0917 - positional because it is called for every request
        self,
        method: str,
        route: str,
        path: bytes,
        status: int,
        seconds: float,
        sent: int,
        client: str,
        user: str,
        upstream: str,
        trace_id: str,
        request_id: str,
    ) -> None:
        """A request is answered."""
        line = Line(
            self._now(),
            "gateway",
            "http.access",
            "info" if status < 500 else "warning",
            "request",
            method,
            route,
            path.decode("latin-1"),
            status,
            round(seconds * 1000, 2),
            sent,
            client,
            user,
            upstream,
            trace_id,
            request_id,
        )
        lines = self._lines
        lines.append(line)
        if len(lines) >= _FULL:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH, self.flush)

    def _now(self) -> str:
        """The time to the millisecond; the part before it changes once a second."""
        now = time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = datetime.fromtimestamp(second, UTC).isoformat()[:19]
        return f"{self._stamp}.{int((now - second) * 1000):03}Z"

    def flush(self) -> None:
        """Write what has gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lines:
            self._write(self._render(self._lines))
            self._lines.clear()
            sys.stdout.flush()


def _for_people(lines: Iterable[Line]) -> bytes:
    return "".join(
        f"{line.timestamp} {line.status} {line.method:6} {line.path} {line.ms} ms"
        f" {line.upstream} {line.client}\n"
        for line in lines
    ).encode("latin-1", "replace")
