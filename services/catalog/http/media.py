"""The route that the gateway asks before it serves a file; the gateway never forwards it."""

from typing import Final

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from services.catalog.domain import VideoNotFound
from services.catalog.http.access import checked_id
from services.catalog.http.dependencies import TheCatalog
from shared.contracts import Visibility


class MediaAccess(msgspec.Struct, frozen=True, kw_only=True):
    visibility: Visibility


@get("/media/{video_id:str}")
async def media_access(video_id: FromPath[str], catalog: TheCatalog) -> MediaAccess:
    row = await catalog.views.video(checked_id(video_id, VideoNotFound))
    if row is None:
        raise VideoNotFound
    return MediaAccess(visibility=row["visibility"])


HANDLERS: Final[list[HTTPRouteHandler]] = [media_access]
