"""``/docs``: the API's document, merged from the services' own, and a page to browse it."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from services.gateway.http1.h1_errors import UpstreamError
from services.gateway.pages import openapi
from services.gateway.upstream.upstreams import Upstreams
from shared.errors import NotFound
from shared.telemetry import get_logger

# Seconds that a merged document is used: with all parts, and while a service's part is missing.
_COMPLETE_SECONDS: Final = 30.0
_INCOMPLETE_SECONDS: Final = 2.0
_ASSETS: Final = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Cinelog API</title>
<link rel="icon" href="/docs/assets/favicon-32x32.png">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/assets/start.js"></script>
</body>
</html>
"""
_START: Final = """SwaggerUIBundle({
  url: "/docs/openapi.json", dom_id: "#api", deepLinking: true,
  displayRequestDuration: true, docExpansion: "list", persistAuthorization: false,
});
"""


class ApiDocument:
    """The services' documents merged into one, which is renewed from time to time."""

    def __init__(
        self,
        upstreams: Upstreams,
        services: tuple[str, ...],
        version: str,
        clock: Callable[[], float],
    ) -> None:
        self._upstreams = upstreams
        self._services = services
        self._version = version
        self._clock = clock
        self._parts: dict[str, openapi.Document] = {}
        self._body = b""
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def body(self) -> bytes:
        """The document as JSON. While a service does not answer, its last part stays in."""
        async with self._lock:
            if self._clock() < self._until:
                return self._body
            answered = await asyncio.gather(*(self._part(name) for name in self._services))
            parts = {name: self._parts[name] for name in self._services if name in self._parts}
            merged = openapi.merge(parts, title="Cinelog", version=self._version)
            self._body = msgspec.json.encode(merged)
            self._until = self._clock() + (
                _COMPLETE_SECONDS if all(answered) else _INCOMPLETE_SECONDS
            )
            return self._body

    async def _part(self, name: str) -> bool:
        try:
            status, body = await self._upstreams[name].get("/internal/openapi.json")
            if status != 200:
                return False
            self._parts[name] = msgspec.json.decode(body, type=dict)
        except (UpstreamError, TimeoutError, msgspec.DecodeError) as error:
            get_logger("gateway.docs").warning("no API document", upstream=name, reason=str(error))
            return False
        return True


def docs_routes(document: ApiDocument, assets: Path) -> list[HTTPRouteHandler]:
    """The routes. ``assets`` is the folder of Swagger UI's distribution."""

    @get("/docs", media_type=MediaType.HTML, include_in_schema=False)
    async def page() -> Response[str]:
        return Response(_PAGE, headers={"cache-control": "no-cache"})

    @get("/docs/openapi.json", media_type=MediaType.JSON, include_in_schema=False)
    async def whole() -> Response[bytes]:
        return Response(await document.body(), headers={"cache-control": "no-cache"})

    @get("/docs/assets/start.js", media_type="text/javascript", include_in_schema=False)
    async def start() -> Response[bytes]:
        return Response(_START.encode(), headers={"cache-control": "no-cache"})

    @get("/docs/assets/{name:str}", sync_to_thread=True, include_in_schema=False)
    def asset(name: FromPath[str]) -> Response[bytes]:
        content_type = _ASSETS.get(name)
        if content_type is None:
            raise NotFound("There is nothing here.")
        return Response(
            (assets / name).read_bytes(),
            media_type=content_type,
            headers={"cache-control": "public, max-age=86400"},
        )

    return [page, whole, start, asset]
