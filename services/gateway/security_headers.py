"""What every answer carries: security headers, CORS, and failures in the contract's envelope."""

from collections.abc import Iterable

import msgspec

from shared.http import problems

Headers = list[tuple[bytes, bytes]]

_COMMON: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"server", b"cinelog"),
]
_API_CSP = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
_JSON = (b"content-type", b"application/json")

API: Headers = [*_COMMON, _API_CSP]
API_TLS: Headers = [*API, _HSTS]
MEDIA: Headers = [*_COMMON, (b"content-security-policy", b"default-src 'none'; sandbox")]
MEDIA_TLS: Headers = [*MEDIA, _HSTS]

_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_EXPOSED = (
    b"Content-Range, ETag, Link, Location, RateLimit, RateLimit-Policy, Retry-After, Server-Timing,"
    b" Trace-Id, Tus-Checksum-Algorithm, Tus-Extension, Tus-Max-Size, Tus-Resumable, Tus-Version,"
    b" Upload-Complete, Upload-Concat, Upload-Defer-Length, Upload-Expires, Upload-Length,"
    b" Upload-Limit, Upload-Metadata, Upload-Offset"
)


def page_headers(policy: str, secure: bool) -> Headers:
    """The headers of a page, with the content security policy it needs."""
    found = [
        *_COMMON,
        (b"content-security-policy", policy.encode()),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
    ]
    return [*found, _HSTS] if secure else found


def client_policy(elsewhere: Iterable[str]) -> str:
    """The CSP of the web client, which plays with hls.js: media and its worker are blobs.

    `elsewhere`: other origins it fetches from or plays from (a CDN, object storage).
    """
    more = "".join(f" {origin}" for origin in elsewhere)
    return (
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'"
        f" data:; img-src 'self' data: blob:{more}; media-src 'self' blob:{more}; connect-src"
        f" 'self'{more}; worker-src 'self' blob:; object-src 'none'; base-uri 'self';"
        " form-action 'self'; frame-ancestors 'none'"
    )


DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Cors:
    """Which other origins' pages may call (Fetch standard, §3.2). `*` means any, and is our risk
    to take: no cookie authorises anything here."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)
        self._any = b"*" in self._origins

    def headers(self, origin: bytes) -> Headers:
        """For an actual request."""
        if not self._origins:
            return []
        if not origin or not (self._any or origin in self._origins):
            return [(b"vary", b"Origin")]
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _EXPOSED),
            (b"vary", b"Origin"),
        ]

    def preflight(self, origin: bytes, asked_headers: bytes) -> Headers:
        """For a preflight: what may be asked for, or nothing, which forbids it."""
        allowed = self.headers(origin)
        if len(allowed) < 2:
            return allowed
        return [
            *allowed,
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", asked_headers or b"*"),
            (b"access-control-max-age", b"7200"),
        ]


class Failures:
    """Failures that the gateway itself answers. Only the trace id differs between two of a kind."""

    def __init__(self) -> None:
        self._kinds: dict[int, tuple[Headers, bytes, bytes]] = {}

    def of(self, status: int, trace_id: bytes) -> tuple[Headers, bytes]:
        """The headers and body for a status; `trace_id` has 32 digits."""
        kind = self._kinds.get(status)
        if kind is None:
            kind = self._kinds[status] = _failure(status)
        headers, before, after = kind
        return headers, b"%b%b%b" % (before, trace_id, after)


def _failure(status: int) -> tuple[Headers, bytes, bytes]:
    blank = "0" * 32
    problem = msgspec.structs.replace(problems.default_problem(status), trace_id=blank)
    body = problems.body(problem)
    before, _, after = body.partition(blank.encode())
    return [_JSON, (b"content-length", b"%d" % len(body))], before, after
