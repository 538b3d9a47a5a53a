"""Conditional GET requests with ETags (RFC 9110, sections 8.8 and 13)."""

import hashlib
from typing import Any

from litestar.types import ASGIApp, Message, Receive, Scope, Send


class ETagMiddleware:
    """Adds a hash of the body to 200 answers to GET; answers 304 if If-None-Match has that hash.

    Streamed answers pass unchanged. The ETag is weak, because a proxy may compress.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

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
                    await _answer(held, message, scope, send)
                    return
                await send(held)
            await send(message)

        await self._app(scope, receive, tagged_send)


async def _answer(start: Any, body: Any, scope: Scope, send: Send) -> None:
    digest = hashlib.blake2b(body["body"], digest_size=16).hexdigest()
    etag = f'W/"{digest}"'.encode()
    # Answers depend on the caller and may change at any time: a cache must revalidate them.
    extra = [(b"etag", etag), (b"cache-control", b"private, no-cache"), (b"vary", b"authorization")]
    if _matches(scope, etag):
        await send({"type": "http.response.start", "status": 304, "headers": extra})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return
    start["headers"] = [*start["headers"], *extra]
    await send(start)
    await send(body)


def _matches(scope: Scope, etag: bytes) -> bool:
    opaque = etag.removeprefix(b"W/")
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            tags = [tag.strip().removeprefix(b"W/") for tag in value.split(b",")]
            return b"*" in tags or opaque in tags
    return False
