"""The headers of a request: what is refused, what is dropped, what is passed on.

Dropped are hop-by-hop headers, headers that Connection names (RFC 9110 §7.6.1), and every header
that names the caller to the services: only the gateway may name it.
"""

from collections.abc import Callable, Iterable
from typing import Final

from services.gateway.http1.h1_client import HOP_BY_HOP

MAX_HEADERS: Final = 32 * 1024  # bytes, all together

SINGLE: Final = (
    *(b"authorization", b"origin", b"content-type", b"range", b"last-event-id"),
    *(b"idempotency-key", b"upload-offset", b"upload-length", b"upload-complete"),
    *(b"upload-concat", b"upload-metadata", b"upload-checksum", b"upload-defer-length"),
)
"""Headers that may come once."""

_MAX_LENGTH_DIGITS: Final = 18
_FORGEABLE: Final = (
    b"x-forwarded",
    b"x-cinelog",
    b"x-real-ip",
    b"x-client-ip",
    b"x-original",
    b"x-user",
)
_KEPT_CONNECTION: Final = frozenset((b"keep-alive", b"close", b"Keep-Alive", b""))


class RequestHeaders:
    """The headers, read in one pass. ``refusal`` is 0 or the status to refuse the request with.

    ``length`` is -1 where there is no Content-Length. ``kept`` are the headers that are passed on.
    """

    __slots__ = (
        "authorization",
        "chunked",
        "connection",
        "forwarded_for",
        "forwarded_proto",
        "host",
        "hosts",
        "kept",
        "length",
        "origin",
        "refusal",
        "traceparent",
    )

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.authorization = self.connection = self.host = self.origin = self.traceparent = b""
        self.length = -1
        self.chunked = False
        self.forwarded_for: list[bytes] = []
        self.forwarded_proto: list[bytes] = []
        self.refusal = self.hosts = 0
        self.kept: list[tuple[bytes, bytes]] = []
        size = 0
        for name, value in headers:
            size += len(name) + len(value) + 4
            read = _READERS.get(name)
            if read is not None:
                read(self, value)
            elif name[:2] != b"x-" or not name.startswith(_FORGEABLE):
                self.kept.append((name, value))
        if size > MAX_HEADERS:
            self.refusal = 431
        elif self.hosts != 1 or (self.chunked and self.length >= 0):
            self.refusal = 400
        if self.connection not in _KEPT_CONNECTION:
            self._drop_nominated()

    @property
    def has_body(self) -> bool:
        """Whether a body follows."""
        return self.chunked or self.length > 0

    @property
    def lines(self) -> list[bytes]:
        """The headers that are passed on, ready for the wire."""
        return [b"%b: %b\r\n" % pair for pair in self.kept]

    def _drop_nominated(self) -> None:
        """Drop the headers that Connection names."""
        tokens = (token.strip().lower() for token in self.connection.split(b","))
        named = frozenset(tokens)
        self.kept = [pair for pair in self.kept if pair[0] not in named]


def _connection(headers: RequestHeaders, value: bytes) -> None:
    headers.connection += b"," + value if headers.connection else value


def _content_length(headers: RequestHeaders, value: bytes) -> None:
    if headers.length >= 0 or not value.isdigit() or len(value) > _MAX_LENGTH_DIGITS:
        headers.refusal = 400
    else:
        headers.length = int(value)


def _host(headers: RequestHeaders, value: bytes) -> None:
    headers.host = value
    headers.hosts += 1


def _traceparent(headers: RequestHeaders, value: bytes) -> None:
    headers.traceparent = value


def _transfer_encoding(headers: RequestHeaders, value: bytes) -> None:
    if headers.chunked or value.strip().lower() != b"chunked":
        headers.refusal = 400
    headers.chunked = True


def _forwarded_for(headers: RequestHeaders, value: bytes) -> None:
    headers.forwarded_for.append(value)


def _forwarded_proto(headers: RequestHeaders, value: bytes) -> None:
    headers.forwarded_proto.append(value)


def _once(name: bytes) -> "_Reader":
    """A header that may come once: the gateway would read the last one, and services the first.

    Somebody with two tokens could act as one user, and be counted as another or as nobody.
    """

    def read(headers: RequestHeaders, value: bytes) -> None:
        if any(kept == name for kept, _ in headers.kept):
            headers.refusal = 400
        headers.kept.append((name, value))
        if name == b"authorization":
            headers.authorization = value
        elif name == b"origin":
            headers.origin = value

    return read


def _drop(_headers: RequestHeaders, _value: bytes) -> None:
    pass


_Reader = Callable[[RequestHeaders, bytes], None]

_READERS: Final[dict[bytes, _Reader]] = {
    **dict.fromkeys((*HOP_BY_HOP, b"expect", b"forwarded", b"via", b"x-request-id"), _drop),
    **{name: _once(name) for name in SINGLE},
    b"connection": _connection,
    b"content-length": _content_length,
    b"host": _host,
    b"traceparent": _traceparent,
    b"transfer-encoding": _transfer_encoding,
    b"x-forwarded-for": _forwarded_for,
    b"x-forwarded-proto": _forwarded_proto,
}
