"""A request as it came in: what is refused, what is dropped, what is passed on.

Dropped: hop-by-hop headers and those that Connection names (RFC 9110 §7.6.1), and every
header by which the services know who calls, since only the gateway may say that.
"""

from collections.abc import Iterable

from services.gateway.http1.h1_client import HOP_BY_HOP

MAX_HEADERS = 32 * 1024  # bytes, all together

_FORGEABLE = (b"x-forwarded", b"x-cinelog", b"x-real-ip", b"x-client-ip", b"x-original", b"x-user")
_OURS = frozenset((b"forwarded", b"x-request-id", b"via", b"expect", b"host", b"content-length"))
_SPECIAL = HOP_BY_HOP | _OURS | {b"authorization", b"traceparent", b"origin"}
_PLAIN_CONNECTION = frozenset((b"keep-alive", b"close", b"Keep-Alive", b""))


class RequestHeaders:
    """The headers, read in one pass. `refusal` is 0 or the status to refuse with."""

    __slots__ = (
        "authorization",
        "chunked",
        "forwarded_for",
        "forwarded_proto",
        "host",
        "length",
        "lines",
        "origin",
        "refusal",
        "traceparent",
    )

    def __init__(  # noqa: PLR0912 - one pass over the headers of every request
        self, headers: Iterable[tuple[bytes, bytes]]
    ) -> None:
        self.authorization = self.host = self.origin = self.traceparent = b""
        self.length = -1
        self.chunked = False
        self.forwarded_for: list[bytes] = []
        self.forwarded_proto: list[bytes] = []
        self.refusal = 0
        self.lines = lines = []
        size = hosts = 0
        connection = b""
        for name, value in headers:
            size += len(name) + len(value) + 4
            if name in _SPECIAL:
                if name == b"host":
                    self.host = value
                    hosts += 1
                elif name == b"authorization":
                    self.authorization = value
                    lines.append(b"authorization: %b\r\n" % value)
                elif name == b"connection":
                    connection += b"," + value if connection else value
                elif name == b"content-length":
                    self._length(value)
                elif name == b"transfer-encoding":
                    if self.chunked or value.strip().lower() != b"chunked":
                        self.refusal = 400
                    self.chunked = True
                elif name == b"traceparent":
                    self.traceparent = value
                elif name == b"origin":
                    self.origin = value
                    lines.append(b"origin: %b\r\n" % value)
            elif name[:2] == b"x-" and name.startswith(_FORGEABLE):
                if name == b"x-forwarded-for":
                    self.forwarded_for.append(value)
                elif name == b"x-forwarded-proto":
                    self.forwarded_proto.append(value)
            else:
                lines.append(b"%b: %b\r\n" % (name, value))
        if size > MAX_HEADERS:
            self.refusal = 431
        elif hosts != 1 or (self.chunked and self.length >= 0):
            self.refusal = 400
        if connection not in _PLAIN_CONNECTION:
            named = tuple(
                token.strip().lower() + b":" for token in connection.split(b",") if token.strip()
            )
            self.lines = [line for line in lines if not line.startswith(named)]

    @property
    def has_body(self) -> bool:
        return self.chunked or self.length > 0

    def _length(self, value: bytes) -> None:
        if self.length >= 0 or not value.isdigit() or len(value) > 18:
            self.refusal = 400
        else:
            self.length = int(value)
