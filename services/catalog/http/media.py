"""What the gateway asks before it serves a file or a page; it never forwards these routes."""

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter

from services.catalog.domain import VideoNotFound
from services.catalog.handlers import was_shown
from services.catalog.http.access import checked_id
from services.catalog.http.dependencies import TheCatalog
from shared.contracts import CaptionTrack, VideoBinned, VideoDeleted, Visibility, stream_id
from shared.http.sessions import Sessions

# Who has read the histories of deleted videos: all visitors together.
_VISITORS: Final = "visitors"


class MediaAccess(msgspec.Struct, frozen=True, kw_only=True):
    """``captions``: what playlists name besides their objects."""

    visibility: Visibility
    duration_ms: int | None
    captions: list[CaptionTrack]


@get("/media/{video_id:str}")
async def media_access(
    request: Request[Any, Any, State],
    video_id: FromPath[str],
    catalog: TheCatalog,
    session: Annotated[str | None, QueryParameter(name="session", max_length=64)] = None,
) -> MediaAccess:
    """``session``: the id of the session with which the access is to end, if it is given.

    It is the owner's: only they are given grants. Raises VideoNotFound.
    """
    row = await catalog.views.access(checked_id(video_id, VideoNotFound))
    if row is None:
        raise VideoNotFound
    sessions: Sessions = request.app.state.sessions
    if session is not None and await sessions.has_ended(row["user_id"], session):
        raise VideoNotFound
    return MediaAccess(
        visibility=row["visibility"],
        duration_ms=row["duration_ms"],
        captions=msgspec.convert(row["captions"], list[CaptionTrack]),
    )


@get("/gone/{video_id:str}", status_code=204)
async def gone(video_id: FromPath[str], catalog: TheCatalog) -> None:
    """Whether a video is deleted that anybody could see. Raises VideoNotFound.

    Of all others one event is read, so that no clock tells a hidden one from none.
    """
    id_ = checked_id(video_id, VideoNotFound)
    last = await catalog.store.last_of(stream_id("video", id_))
    if last is None or not isinstance(last.data, VideoDeleted | VideoBinned):
        raise VideoNotFound
    with catalog.histories.deciding(_VISITORS) as streams:
        if not await was_shown(streams, id_):
            raise VideoNotFound


HANDLERS: Final[list[HTTPRouteHandler]] = [media_access, gone]
