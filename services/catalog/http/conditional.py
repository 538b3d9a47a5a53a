"""Conditional GET requests with ETags (RFC 9110, sections 8.8 and 13); who may keep an answer."""

import hashlib
from typing import Any, Final

from litestar import Request
from litestar.datastructures import State
from litestar.types import ASGIApp, Message, Receive, Scope, Send

SHOWS: Final = "shows"
"""The option of a route that answers everybody the same who has no access token. What an answer of
it shows: ``LISTS``, or the video whose id is the path parameter of this name."""

NOBODY: Final = "nobody"
"""Whom ``answers_apart`` names where everybody who has an access token is shown the same, too."""

_APART: Final = "apart"

# Answers depend on the caller and may change at any time: a cache must revalidate them.
_PERSONAL: Final = b"private, no-cache"
# Caches outside are not told of changes. A browser asks each time: its own changes are shown.
_SHARED: Final = b"public, max-age=0, s-maxage=2"
# Links lead to the host of the request, which may be invented: none may get another one's answer.
_SHARED_OF_HOST: Final = b"no-cache"


def answers_apart(request: Request[Any, Any, State], user_id: str) -> None:
    """Say who alone is shown something else than those without an access token.

    The gateway answers all others who have one from what it keeps. Nothing is said of an answer
    that may depend on more than this.
    """
    request.scope["state"][_APART] = user_id


class ETagMiddleware:
    """Adds a hash of the body to 200 answers to GET; answers 304 if If-None-Match has that hash.

    Streamed answers pass unchanged. The ETag is weak, because a proxy may compress. The gateway is
    told which answers it may keep, by the header ``x-cinelog-shows``, and who has others, by
    ``x-cinelog-apart``. ``fixed_links``: whether the
    links in answers are the same for every host.
    """

    def __init__(self, app: ASGIApp, *, fixed_links: bool) -> None:
        self._app = app
        self._shared = _SHARED if fixed_links else _SHARED_OF_HOST

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        start: Message | None = None

        async def tagged_send(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and message["status"] == 200:
                start = message
                return
            held, start = start, None
            if held is not None:
                whole = message["type"] == "http.response.body" and not message.get("more_body")
                if whole:
                    await self._answer(held, message, scope, send)
                    return
                await send(held)
            await send(message)

        await self._app(scope, receive, tagged_send)

    async def _answer(self, start: Any, body: Any, scope: Scope, send: Send) -> None:
        digest = hashlib.blake2b(body["body"], digest_size=16).hexdigest()
        etag = f'W/"{digest}"'.encode()
        shows = _shown(scope)
        extra = [
            (b"etag", etag),
            (b"cache-control", self._shared if shows else _PERSONAL),
            (b"vary", b"authorization"),
        ]
        if shows:
            extra.append((b"x-cinelog-shows", shows))
            if apart := scope["state"].get(_APART):
                extra.append((b"x-cinelog-apart", apart.encode()))
        if _matches(scope, etag):
            await send({"type": "http.response.start", "status": 304, "headers": extra})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        start["headers"] = [*start["headers"], *extra]
        await send(start)
        await send(body)


def _shown(scope: Any) -> bytes:
    """What an answer shows to everybody; b"" for one that may depend on the caller."""
    shows: str = scope["route_handler"].opt.get(SHOWS, "")
    if not shows or any(name == b"authorization" for name, _ in scope["headers"]):
        return b""
    return scope["path_params"].get(shows, shows).lower().encode()


def _matches(scope: Scope, etag: bytes) -> bool:
    opaque = etag.removeprefix(b"W/")
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            tags = [tag.strip().removeprefix(b"W/") for tag in value.split(b",")]
            return b"*" in tags or opaque in tags
    return False
