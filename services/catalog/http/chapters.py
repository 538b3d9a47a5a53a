"""Chapters of a video as a file for players."""

from typing import Final

from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from services.catalog.chapters import read_chapters, webvtt
from services.catalog.http.access import find_visible
from services.catalog.http.conditional import SHOWS, answers_apart
from services.catalog.http.dependencies import MaybeCaller, TheCatalog

VTT: Final = "text/vtt"


@get(
    "/videos/{video_id:str}/chapters.vtt",
    opt={SHOWS: "video_id"},
    tags=["videos"],
    summary="Chapters as WebVTT",
    responses={200: ResponseSpec(str, media_type=VTT, generate_examples=False)},
)
async def chapters(
    request: Request[object, object, State],
    video_id: FromPath[str],
    catalog: TheCatalog,
    optional_principal: MaybeCaller,
) -> Response[str]:
    """Without a cue where the description names no chapters."""
    row = await find_visible(catalog, video_id, optional_principal)
    answers_apart(request, row["user_id"])
    found = read_chapters(row["description"], row["duration_ms"])
    return Response(webvtt(found), media_type=VTT)


HANDLERS: Final[list[HTTPRouteHandler]] = [chapters]
