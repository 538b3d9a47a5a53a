"""All paths that are reachable from outside, as data.

Paths are matched segment by segment: a literal segment wins over ``{a name}``, and both win over a
trailing ``*``, which stands for one segment or more. The pattern that wins decides, whatever the
method, so that one place says what is allowed: the table, or the service where a row leaves it all
methods. A path without a row is not reachable from
outside; ``/internal/*`` and ``/metrics`` have none on purpose.
"""

import sys
from enum import StrEnum
from typing import Final

import msgspec

KIB: Final = 1024
MIB: Final = 1024 * KIB

DELETED_ACCOUNT: Final = "/api/v1/users/{id}"
"""The pattern of the route that deletes an account."""

LIVE_CONNECTION: Final = "/api/v1/live/whip/{id}"
"""The pattern of a WebRTC publisher's connection, which one replica of live has."""

READ: Final = frozenset({"GET", "HEAD"})


class Target(StrEnum):
    """Which handler answers: that of a service, or one of the gateway's own."""

    AUTH = "auth"
    INGEST = "ingest"
    CATALOG = "catalog"
    TRANSCODER = "transcoder"
    LIVE = "live"
    MEDIA = "media"
    DOWNLOAD = "download"
    OWN = "own"
    PAGES = "pages"
    WEB = "web"


SERVICES: Final = (Target.AUTH, Target.INGEST, Target.CATALOG, Target.TRANSCODER, Target.LIVE)


class Policy(StrEnum):
    """The rate limits: each route has one. Logins of known devices have another, and so has what
    is not there of media and pages."""

    GENERAL = "general"
    AUTH = "auth"
    DEVICES = "devices"
    MEDIA = "media"
    MISSES = "misses"
    HEALTH = "health"


class Open(StrEnum):
    """What an open request holds: each kind has places of its own (``limits.open_requests``)."""

    REQUEST = "request"
    MEDIA = "media"
    DOWNLOAD = "download"
    STREAM = "stream"
    REFUSED = "refused"
    """The rest of its body is read, so that the client gets the answer."""


class Route(msgspec.Struct, frozen=True):
    """A row. ``timeout`` is in seconds without a byte from the service, ``body_limit`` in bytes.

    An ``event_stream`` stays open for as long as its reader likes. ``shared``: the service may
    answer the same to everybody who has no access token.
    """

    pattern: str
    methods: frozenset[str]
    target: Target
    policy: Policy = Policy.GENERAL
    timeout: float = 30.0
    body_limit: int = 64 * KIB
    event_stream: bool = False
    shared: bool = False

    @property
    def opens(self) -> Open:
        """The kind of place that a request takes while it is open."""
        if self.event_stream:
            return Open.STREAM
        return _OPENS.get(self.target, Open.REQUEST)


_OPENS: Final = {Target.MEDIA: Open.MEDIA, Target.DOWNLOAD: Open.DOWNLOAD}


def _methods(names: str) -> frozenset[str]:
    wanted = set(names.split())
    if "GET" in wanted:
        wanted.add("HEAD")
    return frozenset(wanted)


# For a row that leaves methods to its service.
_ANY: Final = "GET POST PUT PATCH DELETE OPTIONS"


def table(max_upload_bytes: int) -> tuple[Route, ...]:
    """The routes. An upload may have ``max_upload_bytes`` and a MiB for its multipart form."""
    return (
        *_accounts(),
        *_uploads(max_upload_bytes + MIB),
        *_videos(),
        *_lives(),
        *_jobs(),
        *_own(),
        *_pages(),
    )


def _row(pattern: str, methods: str, target: Target, **more: object) -> Route:
    return Route("/api/v1" + pattern, _methods(methods), target, **more)  # type: ignore[arg-type]


def _accounts() -> tuple[Route, ...]:
    auth = Target.AUTH
    return (
        _row("/auth/login", "POST", auth, policy=Policy.AUTH),
        _row("/auth/register", "POST", auth, policy=Policy.AUTH),
        _row("/auth/refresh", "POST", auth, policy=Policy.AUTH),
        _row("/auth/logout", "POST", auth),
        _row("/auth/*", _ANY, auth),
        _row("/users/me", "GET PATCH", auth),
        _row("/users/me/usage", "GET", Target.INGEST),
        _row("/users/me/videos", "GET", Target.CATALOG),
        _row("/users/me/bin", "GET", Target.CATALOG),
        _row("/users/me/bin/{id}", "DELETE", Target.CATALOG),
        _row("/users/me/bin/{id}/restore", "POST", Target.CATALOG),
        _row("/users/me/*", _ANY, auth),
        _row("/users/email", "PATCH", auth),
        _row("/users/password", "PATCH", auth),
        _row("/users/{id}", "DELETE", auth),
        _row("/users/id/{id}", "GET", Target.CATALOG, shared=True),
        _row("/users/username/{name}", "GET", Target.CATALOG, shared=True),
        _row("/users/{id}/videos", "GET", Target.CATALOG, shared=True),
    )


def _uploads(body: int) -> tuple[Route, ...]:
    ingest = Target.INGEST
    return (
        # The API promises 400, not 413, for a body that is too large here: ingest answers it.
        _row("/streaming/upload", "POST", ingest, body_limit=sys.maxsize, timeout=120.0),
        _row("/uploads", _ANY, ingest, body_limit=body, timeout=120.0),
        _row("/uploads/*", _ANY, ingest, body_limit=body, timeout=120.0),
    )


def _videos() -> tuple[Route, ...]:
    catalog = Target.CATALOG
    return (
        _row("/streaming/latest", "GET", catalog, shared=True),
        _row("/streaming/search", "GET", catalog, shared=True),
        _row("/streaming/id/{id}", "GET", catalog, shared=True),
        _row("/streaming/views/{id}", "PATCH", catalog),
        _row("/streaming/{id}", "PUT DELETE", catalog),
        _row("/streaming/{id}/visibility", "PATCH", catalog),
        _row("/streaming/*", _ANY, catalog),
        _row("/tags", "GET", catalog, shared=True),
        _row("/tags/{id}", "POST DELETE", catalog),
        _row("/tags/{tag}/videos", "GET", catalog, shared=True),
        _row("/videos/{id}/timeline", "GET", catalog),
        _row("/videos/{id}/chapters.vtt", "GET", catalog, shared=True),
        _row("/videos/{id}/captions", "GET", catalog, shared=True),
        _row("/videos/{id}/captions/{language}", "PUT DELETE", catalog, body_limit=2 * MIB),
        _row("/videos/{id}/download", "GET", Target.DOWNLOAD, timeout=20.0),
        _row("/videos/*", _ANY, catalog),
        _row("/events", "GET", catalog, timeout=300.0),
        _row("/events/*", _ANY, catalog),
        _row("/webhooks", "GET POST", catalog),
        _row("/webhooks/*", _ANY, catalog),
    )


def _lives() -> tuple[Route, ...]:
    live = Target.LIVE
    return (
        # Live says by OPTIONS what offers and candidates are (RFC 9725).
        _row("/live/whip", _ANY, live),
        _row("/live/whip/{id}", _ANY, live),
        _row("/live/planned", "GET", live),
        _row("/live/planned/{id}", "GET", live),
        _row("/live/streams", "GET POST", live),
        _row("/live/streams/{id}", "GET PATCH DELETE", live),
        _row("/live/streams/{id}/key", "POST", live),
        _row("/live/streams/{id}/enable", "POST", live),
        _row("/live/streams/{id}/disable", "POST", live),
        _row("/live/streams/{id}/complete", "POST", live),
        _row("/live/streams/{id}/whip", _ANY, live),
        _row("/live/streams/{id}/health", "GET", live),
        _row("/live/streams/{id}/sessions", "GET", live),
        _row("/live/streams/{id}/clips", "GET POST", live),
        _row("/live/streams/{id}/simulcast-targets", "GET POST", live),
        _row("/live/streams/{id}/simulcast-targets/{target}", "GET PATCH DELETE", live),
        _row("/live/videos/{id}/clips", "POST", live),
        _row("/live/videos/{id}/chat", "GET PATCH", live),
        _row("/live/videos/{id}/chat/events", "GET", live, timeout=300.0, event_stream=True),
        _row("/live/videos/{id}/chat/messages", "POST", live),
        _row("/live/videos/{id}/chat/messages/{id}", "DELETE", live),
        _row("/live/videos/{id}/chat/bans", "GET", live),
        _row("/live/videos/{id}/chat/bans/{id}", "PUT DELETE", live),
        _row("/live/clips/{id}", "GET", live),
        _row("/live/*", _ANY, live),
    )


def _jobs() -> tuple[Route, ...]:
    return (
        _row("/jobs", "GET", Target.CATALOG),
        _row("/jobs/{id}", "GET", Target.CATALOG),
        _row("/jobs/{id}", "DELETE", Target.TRANSCODER),
        _row("/jobs/{id}/retry", "POST", Target.TRANSCODER),
        _row("/jobs/{id}/events", "GET", Target.CATALOG, timeout=300.0, event_stream=True),
    )


def _own() -> tuple[Route, ...]:
    """Media, and what the gateway answers itself."""
    return (
        Route("/media/{token}/{video}/*", READ, Target.MEDIA, Policy.MEDIA, timeout=20.0),
        Route("/health", READ, Target.OWN, Policy.HEALTH),
        Route("/ready", READ, Target.OWN, Policy.HEALTH),
        Route("/docs", READ, Target.OWN, Policy.MEDIA),
        Route("/docs/*", READ, Target.OWN, Policy.MEDIA),
    )


def _pages() -> tuple[Route, ...]:
    """Pages and documents that the gateway makes of what the catalog knows."""
    pages = Target.PAGES
    return (
        *(
            Route(pattern, READ, pages, Policy.MEDIA)
            for pattern in ("/watch/{id}", "/embed/{id}", "/u/{name}")
        ),
        *(
            Route(f"{where}/feed.{form}", READ, pages)
            for where in ("", "/u/{name}", "/tags/{tag}")
            for form in ("atom", "rss")
        ),
        Route("/oembed", READ, pages),
        Route("/sitemap.xml", READ, pages),
        Route("/sitemaps/{page}", READ, pages),
        Route("/robots.txt", READ, pages),
    )


# First segments that are never pages of the web client: a mistyped API path must be a 404.
RESERVED: Final = frozenset(
    {b"api", b"media", b"internal", b"metrics", b"health", b"ready", b"docs"}
)

# The router keeps this many results, for paths of at most this many bytes.
_MAX_KNOWN: Final = 4096
_MAX_KNOWN_PATH: Final = 128

WEB_ROUTE: Final = Route("/*", READ, Target.WEB, Policy.MEDIA)


class Unknown(msgspec.Struct, frozen=True):
    """The path has no row."""


class NotAllowed(msgspec.Struct, frozen=True):
    """The path has a row for other methods. ``allowed`` is the value of the header Allow."""

    allowed: str


class _Node:
    """A place in the tree of patterns. ``rest`` is for ``*``, ``name`` for ``{a name}``."""

    __slots__ = ("literal", "name", "rest", "routes")

    def __init__(self) -> None:
        self.literal: dict[bytes, _Node] = {}
        self.name: _Node | None = None
        self.rest: _Node | None = None
        self.routes: dict[str, Route] = {}

    def child(self, segment: str) -> "_Node":
        """The node below this one for a segment of a pattern."""
        if segment == "*":
            self.rest = self.rest or _Node()
            return self.rest
        if segment.startswith("{"):
            self.name = self.name or _Node()
            return self.name
        return self.literal.setdefault(segment.encode(), _Node())


class Router:
    """Finds the row for a method and a path that ``paths.refusal`` accepts."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self.routes = routes
        self._root = _Node()
        self._known: dict[tuple[str, bytes], Route | NotAllowed | Unknown] = {}
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        node = self._root
        for segment in route.pattern.split("/")[1:]:
            node = node.child(segment)
        for method in route.methods:
            if method in node.routes:
                raise ValueError(f"two routes for {method} {route.pattern}")
            node.routes[method] = route

    def match(self, method: str, raw_path: bytes) -> Route | NotAllowed | Unknown:
        """The row, or why there is none. Results for short paths are kept."""
        known = self._known.get((method, raw_path))
        if known is not None:
            return known
        found = self._search(method, raw_path)
        if len(raw_path) <= _MAX_KNOWN_PATH:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[method, raw_path] = found
        return found

    def _search(self, method: str, raw_path: bytes) -> Route | NotAllowed | Unknown:
        segments = raw_path.split(b"/")
        del segments[0]
        node = _find(self._root, segments, 0)
        if node is not None:
            return node.routes.get(method) or NotAllowed(", ".join(sorted(node.routes)))
        if segments[0] in RESERVED:
            return Unknown()
        return WEB_ROUTE if method in READ else NotAllowed("GET, HEAD")


def _find(node: _Node, segments: list[bytes], at: int) -> _Node | None:
    """The place at or below ``node`` whose pattern matches the segments from ``at`` on."""
    if at == len(segments):
        return node if node.routes else None
    following = node.literal.get(segments[at])
    if following is not None:
        found = _find(following, segments, at + 1)
        if found is not None:
            return found
    if not segments[at]:
        return None
    if node.name is not None:
        found = _find(node.name, segments, at + 1)
        if found is not None:
            return found
    return node.rest
