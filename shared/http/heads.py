"""Answers HEAD for every GET route: the same answer without a body (RFC 9110, section 9.3.2).

Litestar answers 405 unless a route declares HEAD. Routes that declare it (resumable uploads) keep
their own.
"""

from typing import Any, Final

from litestar.types import ASGIApp, Message, Receive, Scope, Send

_NOT_ALLOWED: Final = 405
_END: Final[Any] = {"type": "http.response.body", "body": b"", "more_body": False}


class HeadMiddleware:
    """Repeats a HEAD that was answered with 405 as a GET, and drops the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        refusal: list[Message] = []

        async def unless_refused(message: Message) -> None:
            if refusal or (
                message["type"] == "http.response.start" and message["status"] == _NOT_ALLOWED
            ):
                refusal.append(message)
            else:
                await send(message)

        untouched: Any = {**scope, "state": dict(scope.get("state", {}))}
        await self._app(scope, receive, unless_refused)
        if not refusal:
            return
        if not await self._as_get(untouched, receive, send):
            for message in refusal:
                await send(message)
            return
        scope["path_template"] = untouched.get("path_template", "")

    async def _as_get(self, scope: Any, receive: Receive, send: Send) -> bool:
        """Send the head of the answer to a GET; False if GET is refused too."""
        refused = started = False

        async def until_the_head() -> Any:
            # An endless answer (events) stops as if the client had disconnected.
            return {"type": "http.disconnect"} if started else await receive()

        async def head_only(message: Message) -> None:
            nonlocal refused, started
            if message["type"] != "http.response.start":
                return
            started = True
            refused = message["status"] == _NOT_ALLOWED
            if not refused:
                await send(message)
                await send(_END)

        scope["method"] = "GET"
        await self._app(scope, until_the_head, head_only)
        return not refused
