"""A video as a file: who may have it, and where the gateway finds its bytes."""

import re
import time
from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec
from litestar import MediaType, Request, Response, get, patch
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter

from services.catalog.api_models import Video, downloads_of
from services.catalog.domain import ChangeDownloads, VideoNotFound
from services.catalog.http.access import checked_id, find_after_catch_up, is_owner
from services.catalog.http.dependencies import Caller, Catalog, MaybeCaller, TheCatalog
from services.catalog.http.videos import change_video
from services.catalog.queries.lists import Row
from shared.contracts import SHOWN_TO_OTHERS, DownloadFile, Downloads
from shared.download_index import DownloadPlace
from shared.errors import Conflict, Forbidden, NotFound
from shared.http import grants
from shared.http.envelope import Success
from shared.http.openapi import BEARER
from shared.http.sessions import Sessions

AnyRequest = Request[Any, Any, State]

_MAX_NAME: Final = 100
# What no file system takes, or what a browser would take for a folder.
_NOT_IN_NAMES: Final = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*\u200b-\u200f\u2028-\u202e]+')
_PLAIN: Final = re.compile(r"[^A-Za-z0-9 ._()-]+")


class DownloadsNotAllowed(Forbidden):
    code = "downloads_not_allowed"

    def __init__(self) -> None:
        super().__init__("The owner of this video does not offer it as a file.")


class DownloadNotReady(Conflict):
    code = "download_not_ready"

    def __init__(self) -> None:
        super().__init__("This video is not complete yet. Try again when it is.")


class RenditionNotFound(NotFound):
    code = "rendition_not_found"

    def __init__(self) -> None:
        super().__init__("This video has no such rendition as a file.")


class DownloadsChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    downloads: Downloads


@get(
    "/videos/{video_id:str}/download",
    tags=["videos"],
    summary="Download",
    responses={
        200: ResponseSpec(bytes, description="MP4", media_type="video/mp4", generate_examples=False)
    },
)
async def download(
    request: AnyRequest,
    video_id: FromPath[str],
    catalog: TheCatalog,
    optional_principal: MaybeCaller,
    *,
    rendition: Annotated[
        str | None,
        QueryParameter(max_length=64, description="One of the video's files; the best without."),
    ] = None,
    grant: Annotated[
        str | None,
        QueryParameter(max_length=160, description="Of the address in the owner's list of files."),
    ] = None,
) -> Response[Any]:
    """The video as one MP4 file, in H.264 and AAC. Ranges and HEAD are answered, too.

    For its owner, and for others if the owner offers it to anyone.
    """
    id_ = checked_id(video_id, VideoNotFound)
    row = await find_after_catch_up(catalog, lambda: catalog.views.video(id_))
    if row is None:
        raise VideoNotFound
    own = is_owner(row, optional_principal) or await _granted(request, catalog, row, grant)
    if not own and row["visibility"] not in SHOWN_TO_OTHERS:
        raise VideoNotFound
    if not own and downloads_of(row, catalog.links) != "anyone":
        raise DownloadsNotAllowed
    file = _chosen(row, rendition)
    place = DownloadPlace(
        video_id=id_,
        index=file.index.key,
        index_bytes=file.index.size,
        head=file.head,
        size=file.size,
        etag=file.index.sha256[:32],
        disposition=content_disposition(row["title"], file.rendition),
    )
    # The gateway answers with the file that this describes.
    return Response(Success(data=place), media_type=MediaType.JSON)


@patch(
    "/streaming/{video_id:str}/downloads",
    tags=["videos"],
    summary="Change who may download",
    security=BEARER,
)
async def change_downloads(
    request: AnyRequest,
    principal: Caller,
    video_id: FromPath[str],
    data: JSONBody[DownloadsChange],
    catalog: TheCatalog,
) -> Success[Video]:
    """Anyone: whoever may see the video. Nobody: the owner alone."""
    command = ChangeDownloads(principal.user_id, data.downloads)
    return await change_video(request, catalog, principal, video_id, command)


HANDLERS: Final[list[HTTPRouteHandler]] = [download, change_downloads]


async def _granted(request: AnyRequest, catalog: Catalog, row: Row, grant: str | None) -> bool:
    """Whether the caller has a grant for the video, which its owner alone is given."""
    if grant is None:
        return False
    session = grants.check(catalog.links.secret, grant, row["id"], time.time())
    sessions: Sessions = request.app.state.sessions
    return session is not None and not await sessions.has_ended(row["user_id"], session)


def _chosen(row: Row, rendition: str | None) -> DownloadFile:
    """The file that is asked for, the best one without a name."""
    files = msgspec.convert(row["files"], list[DownloadFile])
    if not files:
        raise DownloadNotReady
    for file in files:
        if rendition in (None, file.rendition):
            return file
    raise RenditionNotFound


def content_disposition(title: str, rendition: str) -> str:
    """The header that names the file by the video's title (RFC 6266), in ASCII.

    The name in all letters is percent-encoded (RFC 8187); the other is for clients of old.
    """
    name = _NOT_IN_NAMES.sub(" ", title)[:_MAX_NAME].strip(" .") or "video"
    whole = f"{name} ({rendition}).mp4"
    plain = _PLAIN.sub("_", whole)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(whole, safe='')}"
