"""Headers that every answer carries: security policies, and CORS for pages of other origins."""

from collections.abc import Iterable
from typing import Final

Headers = list[tuple[bytes, bytes]]

_COMMON: Final[Headers] = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"server", b"cinelog"),
]
_API_CSP: Final = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_HSTS: Final = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")

API: Final[Headers] = [*_COMMON, _API_CSP]
API_TLS: Final[Headers] = [*API, _HSTS]
_MEDIA: Final[Headers] = [*_COMMON, (b"content-security-policy", b"default-src 'none'; sandbox")]
_MEDIA_TLS: Final[Headers] = [*_MEDIA, _HSTS]

# The client's own pages may go live from a camera or a screen; frames in them may not.
_PERMISSIONS: Final = (
    b"camera=(self), display-capture=(self), geolocation=(), microphone=(self), payment=()"
)

_METHODS: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
# With credentials, * is no wildcard but a name.
_HEADERS: Final = b"Authorization, Content-Type"
_EXPOSED: Final = (
    b"Content-Range, ETag, Link, Location, RateLimit, RateLimit-Policy, Retry-After, Server-Timing,"
    b" Trace-Id, Tus-Checksum-Algorithm, Tus-Extension, Tus-Max-Size, Tus-Resumable, Tus-Version,"
    b" Upload-Complete, Upload-Concat, Upload-Defer-Length, Upload-Expires, Upload-Length,"
    b" Upload-Limit, Upload-Metadata, Upload-Offset"
)


def media_headers(*, secure: bool) -> Headers:
    """The headers of media. ``secure``: they go out by TLS."""
    return _MEDIA_TLS if secure else _MEDIA


def page_headers(policy: str, secure: bool) -> Headers:
    """The headers of a page. ``policy`` is its content security policy."""
    found = [
        *_COMMON,
        (b"content-security-policy", policy.encode()),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"permissions-policy", _PERMISSIONS),
    ]
    return [*found, _HSTS] if secure else found


def embed_headers(policy: str, secure: bool) -> Headers:
    """The headers of a page for frames of other sites. ``policy`` says of which ones."""
    dropped = (b"x-frame-options", b"cross-origin-opener-policy")
    found = [pair for pair in page_headers(policy, secure) if pair[0] not in dropped]
    # Pages that isolate themselves show only frames that allow it.
    return [*found, (b"cross-origin-resource-policy", b"cross-origin")]


def client_policy(elsewhere: Iterable[str], ancestors: str = "'none'") -> str:
    """The content security policy of the web client: hls.js plays blobs, from a worker in a blob.

    ``elsewhere`` are other origins that the client fetches or plays from (CDN, object storage),
    ``ancestors`` those that may show the page in a frame.
    """
    more = "".join(f" {origin}" for origin in elsewhere)
    return (
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'"
        f" data:; img-src 'self' data: blob:{more}; media-src 'self' blob:{more}; connect-src"
        f" 'self'{more}; worker-src 'self' blob:; object-src 'none'; base-uri 'self';"
        f" form-action 'self'; frame-ancestors {ancestors}"
    )


DOCS_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Cors:
    """Whether pages of other origins may call (Fetch standard, §3.2).

    ``*`` stands for any origin. Only pages of origins that are listed by name may send cookies and
    read the answer: a refresh token can be in a cookie.
    """

    def __init__(self, origins: Iterable[str]) -> None:
        named = frozenset(origin.encode() for origin in origins)
        self._any = b"*" in named
        self._origins = named - {b"*"}

    def headers(self, origin: bytes) -> Headers:
        """The headers of an answer to a request from ``origin``."""
        if not self._origins and not self._any:
            return []
        if not origin or not (self._any or origin in self._origins):
            return [(b"vary", b"Origin")]
        found = [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _EXPOSED),
            (b"vary", b"Origin"),
        ]
        if origin in self._origins and origin != b"null":
            found.append((b"access-control-allow-credentials", b"true"))
        return found

    def preflight(self, origin: bytes, asked_headers: bytes) -> Headers:
        """The headers of an answer to a preflight: what is allowed; nothing forbids all."""
        allowed = self.headers(origin)
        if len(allowed) < 2:
            return allowed
        return [
            *allowed,
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", asked_headers or _HEADERS),
            (b"access-control-max-age", b"7200"),
        ]
