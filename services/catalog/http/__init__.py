"""The catalog's routes."""

from litestar import Router

from services.catalog.http import (
    catching_up,
    feed,
    jobs,
    media,
    progress,
    tags,
    users,
    videos,
    webhooks,
)
from services.catalog.http.conditional import ETagMiddleware


def routes() -> list[Router]:
    """The public API under ``/api/v1``, and the gateway's internal routes."""
    public = Router(
        "/api/v1",
        route_handlers=[
            *videos.HANDLERS,
            *jobs.HANDLERS,
            *progress.HANDLERS,
            *tags.HANDLERS,
            *users.HANDLERS,
            *feed.HANDLERS,
            *webhooks.HANDLERS,
        ],
        middleware=[ETagMiddleware],
    )
    internal = Router(
        "/internal",
        route_handlers=[*media.HANDLERS, *catching_up.HANDLERS],
        include_in_schema=False,
    )
    return [public, internal]
