"""The catalog's routes."""

from litestar import Router
from litestar.middleware import DefineMiddleware

from services.catalog.http import (
    captions,
    catching_up,
    chapters,
    downloads,
    feed,
    jobs,
    media,
    progress,
    studio,
    tags,
    users,
    videos,
    webhooks,
)
from services.catalog.http.conditional import ETagMiddleware


def routes(*, fixed_links: bool = False) -> list[Router]:
    """The public API under ``/api/v1``, and the gateway's internal routes.

    ``fixed_links``: whether links in answers are the same for every host.
    """
    public = Router(
        "/api/v1",
        route_handlers=[
            *videos.HANDLERS,
            *downloads.HANDLERS,
            *chapters.HANDLERS,
            *captions.HANDLERS,
            *jobs.HANDLERS,
            *progress.HANDLERS,
            *tags.HANDLERS,
            *users.HANDLERS,
            *studio.HANDLERS,
            *feed.HANDLERS,
            *webhooks.HANDLERS,
        ],
        middleware=[DefineMiddleware(ETagMiddleware, fixed_links=fixed_links)],
    )
    internal = Router(
        "/internal",
        route_handlers=[*media.HANDLERS, *catching_up.HANDLERS],
        include_in_schema=False,
    )
    return [public, internal]
