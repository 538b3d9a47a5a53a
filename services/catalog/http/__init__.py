"""The catalog's routes."""

from litestar import Router

from services.catalog.http import jobs, media, tags, users, videos
from services.catalog.http.conditional import Conditional


def routes() -> list[Router]:
    """The public API under ``/api/v1``, and what the gateway asks."""
    public = Router(
        "/api/v1",
        route_handlers=[*videos.HANDLERS, *jobs.HANDLERS, *tags.HANDLERS, *users.HANDLERS],
        middleware=[Conditional],
    )
    internal = Router("/internal", route_handlers=media.HANDLERS, include_in_schema=False)
    return [public, internal]
