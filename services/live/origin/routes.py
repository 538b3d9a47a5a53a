"""Routes below ``/internal/live``, which gateways ask; they never forward them.

``…/{video}/owner``: the address of the replica that has the window. ``…/{video}/hot/{name}``: out
of this replica's window. ``…/{video}/plain/{name}``: playlists from the log, at any replica.
"""

import re
from typing import Annotated, Final

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, QueryParameter

from services.live import object_keys
from services.live.broadcasts.broadcasts import Broadcasts
from services.live.origin.plain import PlainPlaylists
from services.live.ports import Sessions
from services.live.window import dash
from services.live.window.answers import Answer, Directives
from services.live.window.playlists import CONTENT_TYPE
from shared.errors import NotFound

_VIDEO: Final = re.compile(r"[0-9a-f-]{36}\Z")
_NAME: Final = re.compile(r"[A-Za-z0-9._/-]{1,100}\Z")
_LISTS: Final = (".m3u8", ".mpd")
_IMMUTABLE: Final = "public, max-age=31536000, immutable"
_SHORT: Final = "public, max-age=1"


class Origin(msgspec.Struct, frozen=True):
    """What the routes answer out of."""

    broadcasts: Broadcasts
    plain: PlainPlaylists
    sessions: Sessions


class Owner(msgspec.Struct, frozen=True):
    """``address``: of the owner's internal routes, such as ``http://10.0.0.7:8000``."""

    address: str


TheOrigin = NamedDependency[Origin]


def _checked(video_id: str, name: str = "-") -> None:
    if _VIDEO.match(video_id) is None or _NAME.match(name) is None:
        raise NotFound("There is nothing here.")


@get("/{video_id:str}/owner", include_in_schema=False)
async def owner(origin: TheOrigin, video_id: FromPath[str]) -> Owner:
    """Raises NotFound where no replica has the window."""
    _checked(video_id)
    address = await origin.sessions.owner(video_id)
    if address is None:
        raise NotFound("Nobody has this session.")
    return Owner(address)


@get("/{video_id:str}/hot/{name:path}", include_in_schema=False)
async def hot(
    origin: TheOrigin,
    video_id: FromPath[str],
    name: FromPath[str],
    *,
    segment: Annotated[int | None, QueryParameter(name="_HLS_msn", ge=0)] = None,
    part: Annotated[int | None, QueryParameter(name="_HLS_part", ge=0)] = None,
    skip: Annotated[str | None, QueryParameter(name="_HLS_skip", max_length=8)] = None,
) -> Response[bytes]:
    """A playlist, part, segment or init segment of this replica's window."""
    name = name.lstrip("/")
    _checked(video_id, name)
    viewing = origin.broadcasts.viewing(video_id)
    answer: Answer | None = None
    if viewing is not None:
        if name.endswith(_LISTS):
            directives = Directives(segment, part, skip=skip in ("YES", "v2"))
            answer = await viewing.playlist(name, directives)
        else:
            answer = await viewing.media(name)
    if answer is None:
        raise NotFound("The window has nothing of this name.")
    return Response(
        answer.body,
        media_type=answer.content_type,
        headers={"cache-control": _IMMUTABLE if answer.lasting else _SHORT},
    )


@get("/{video_id:str}/plain/{name:str}", include_in_schema=False)
async def plain(
    origin: TheOrigin,
    video_id: FromPath[str],
    name: FromPath[str],
    *,
    skip: Annotated[str | None, QueryParameter(name="_HLS_skip", max_length=8)] = None,
) -> Response[bytes]:
    """A playlist, or the manifest, of what the log has."""
    _checked(video_id, name)
    text = await origin.plain.playlist(video_id, name, skip=skip in ("YES", "v2"))
    if text is None:
        raise NotFound("The log has nothing of this session.")
    kind = dash.CONTENT_TYPE if name == object_keys.DASH else CONTENT_TYPE
    return Response(text.encode(), media_type=kind, headers={"cache-control": _SHORT})


def origin_router(origin: Origin) -> Router:
    """The routes, for the application of live."""
    return Router(
        "/internal/live",
        route_handlers=[owner, hot, plain],
        dependencies={"origin": Provide(lambda: origin, sync_to_thread=False)},
    )
