"""An answer that is the same for everybody, ready to be sent; and which ones are."""

import gzip
from typing import Final

from services.gateway.http1.h1_client import Response

MAX_BODY: Final = 512 * 1024
"""Bytes of an answer that may be kept."""

_MIN_COMPRESSED: Final = 1024  # bytes; below, compression saves no packet
_LEVEL: Final = 5
_OVERHEAD: Final = 2048  # bytes of an entry besides its bodies

Headers = list[tuple[bytes, bytes]]


class Kept:
    """A body of status 200 with its headers, asked for at ``asked_at``; what it ``shows``."""

    __slots__ = ("_apart", "_cache", "_forms", "_opaque", "_type", "asked_at", "shows", "size")

    def __init__(self, headers: Headers, body: bytes, asked_at: float) -> None:
        found = dict(headers)
        self.asked_at = asked_at
        self.shows = found[b"x-cinelog-shows"].decode("latin-1")
        self._apart = found.get(b"x-cinelog-apart", b"").decode("latin-1")
        # The service's is weak, because others compress; each form has a strong one here.
        self._opaque = found[b"etag"].removeprefix(b"W/").strip(b'"')
        self._cache = (b"cache-control", found[b"cache-control"])
        self._type = (b"content-type", found[b"content-type"])
        self._forms: dict[str, bytes] = {"": body}
        if len(body) >= _MIN_COMPRESSED:
            self._forms["gzip"] = b""
        self.size = _OVERHEAD + len(body) * len(self._forms)

    def is_for(self, user: str) -> bool:
        """Whether this user is shown the same as those without an access token ("").

        A catalog of an older version does not say who is.
        """
        return not user or self._apart not in {"", user}

    @property
    def forms(self) -> dict[str, bytes]:
        """The codings that there are; a body is empty until it is needed."""
        return self._forms

    @property
    def body(self) -> bytes:
        """Without a coding."""
        return self._forms[""]

    def etag(self, coding: str) -> bytes:
        """The entity tag of a form."""
        return b'"%b-%b"' % (self._opaque, coding.encode()) if coding else b'"%b"' % self._opaque

    def validators(self, coding: str) -> Headers:
        """The headers of a 304."""
        return [
            (b"etag", self.etag(coding)),
            self._cache,
            (b"vary", b"Authorization, Accept-Encoding"),
        ]

    def answer(self, coding: str) -> tuple[Headers, bytes]:
        """The headers of a 200, and its body, which is compressed once."""
        body = self._forms[coding]
        if not body and coding:
            body = self._forms[coding] = gzip.compress(self._forms[""], _LEVEL, mtime=0)
        headers = [*self.validators(coding), self._type, (b"content-length", b"%d" % len(body))]
        if coding:
            headers.append((b"content-encoding", coding.encode()))
        return headers, body


def may_be_kept(response: Response) -> bool:
    """Whether a service has said that an answer of 200 is the same for everybody.

    What it has said besides must agree: an answer that sets a cookie, or is private, is not.
    """
    found = dict(response.headers)
    if not found.keys() >= _NEEDED or found.keys() & _PERSONAL:
        return False
    for name, value in response.headers:
        if name == b"cache-control" and any(word in value.lower() for word in _NOT_SHARED):
            return False
        if name == b"vary" and value.strip().lower() != b"authorization":
            return False
    length = found[b"content-length"]
    return length.isdigit() and 0 < int(length) <= MAX_BODY


_NEEDED: Final = frozenset(
    (b"x-cinelog-shows", b"etag", b"cache-control", b"content-type", b"content-length")
)
_PERSONAL: Final = frozenset((b"set-cookie", b"content-encoding", b"x-cinelog-wrote"))
_NOT_SHARED: Final = (b"private", b"no-store")
