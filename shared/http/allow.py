"""Lets OPTIONS name the methods that a 405 for the same path names (RFC 9110, 9.3.7 and 15.5.6).

Litestar makes the two lists in two places: in another order, without HEAD, and none at all where a
route answers OPTIONS itself.
"""

from typing import Any, Final

from litestar.types import ASGIApp, Message, Receive, Scope, Send

# A method that no route has.
_NONE: Final = "TRACE"
_ALLOW: Final = b"allow"


class AllowMiddleware:
    """Completes the header Allow of every answer, and adds it to answers to OPTIONS."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        named = await self._refusal(scope) if scope["method"] == "OPTIONS" else b""

        async def with_allow(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _completed(message["headers"], named)
            await send(message)

        await self._app(scope, receive, with_allow)

    async def _refusal(self, scope: Any) -> bytes:
        """What a 405 for this path says is allowed; empty where there is no such path."""
        found = b""

        async def nothing() -> Any:
            return {"type": "http.disconnect"}

        async def keep(message: Message) -> None:
            nonlocal found
            if message["type"] == "http.response.start" and message["status"] == 405:
                found = dict(message["headers"]).get(_ALLOW, b"")

        asked: Any = {**scope, "method": _NONE, "state": dict(scope.get("state", {}))}
        await self._app(asked, nothing, keep)
        return found


def _completed(headers: Any, named: bytes) -> list[tuple[bytes, bytes]]:
    """``headers`` with Allow as it is everywhere; ``named`` replaces what it says."""
    others = [pair for pair in headers if pair[0].lower() != _ALLOW]
    allow = named or next((value for name, value in headers if name.lower() == _ALLOW), b"")
    methods = {method.strip() for method in allow.split(b",") if method.strip()}
    if not methods:
        return others
    if b"GET" in methods:
        methods.add(b"HEAD")
    return [*others, (_ALLOW, b", ".join(sorted(methods | {b"OPTIONS"})))]
