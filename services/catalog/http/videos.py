"""Routes of videos."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import msgspec
from litestar import Request, delete, get, patch, put
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from services.catalog import domain
from services.catalog.api_models import Video, to_tag
from services.catalog.chapters import read_chapters
from services.catalog.domain import (
    BinVideo,
    ChangeDetails,
    ChangeVisibility,
    DeleteVideo,
    OwnersCommand,
    VideoNotFound,
)
from services.catalog.event_tail.shown_changes import LISTS
from services.catalog.http.access import (
    checked_id,
    find_after_catch_up,
    find_visible,
    run_command,
)
from services.catalog.http.conditional import NOBODY, SHOWS, answers_apart
from services.catalog.http.dependencies import Caller, Catalog, MaybeCaller, TheCatalog
from services.catalog.http.lists import (
    PAGING,
    Cursor,
    OnlyLive,
    Paging,
    decode_keyset,
    decode_number,
    exactness,
    to_page,
    to_videos,
)
from services.catalog.queries.totals import Total
from services.catalog.read_model.text_analysis import MAX_QUERY, parse_query
from shared.contracts import Downloads, Visibility
from shared.errors import Detail, InvalidInput
from shared.http.client import client_address
from shared.http.envelope import Message, Success
from shared.http.identity import Principal
from shared.http.openapi import BEARER
from shared.http.paging import MAX_OFFSET, MAX_PAGE, Page, encode_cursor

# The address as the gateway sees it, which no client can forge.

AnyRequest = Request[object, object, State]


class Details(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Title: 1 to 200 characters. Description: at most 5000."""

    title: str
    description: str = ""


class VisibilityChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``publish_at``, for drafts: when the video becomes public by itself."""

    visibility: Visibility
    publish_at: datetime | None = None


@get(
    "/streaming/latest",
    dependencies=PAGING,
    opt={SHOWS: LISTS},
    tags=["videos"],
    summary="Newest videos",
)
async def latest(
    request: AnyRequest,
    catalog: TheCatalog,
    paging: Paging,
    live: OnlyLive = False,
    cursor: Cursor = None,
) -> Success[Page[Video]]:
    """A running live is among the videos from its first picture on."""
    answers_apart(request, NOBODY)
    listing = await catalog.views.latest(paging, decode_keyset(cursor), live=live)
    return to_page(listing, await to_videos(listing.rows, catalog, request), paging)


@get(
    "/streaming/search",
    dependencies=PAGING,
    opt={SHOWS: LISTS},
    tags=["videos"],
    summary="Search",
)
async def search(
    request: AnyRequest,
    catalog: TheCatalog,
    paging: Paging,
    optional_principal: MaybeCaller,
    *,
    q: Annotated[
        str | None, QueryParameter(name="q", description="Words; the last may be begun.")
    ] = None,
    cursor: Cursor = None,
) -> Success[Page[Video]]:
    """Full text over title, tags and description: any language, forgiving accents and typos.

    Of more than 1000 videos that are found, those come first for which the words weigh most: in
    titles before tags before descriptions, in short texts before long ones.
    """
    if q is None or not q.strip():
        message = "Say what to search for."
        raise InvalidInput(message, [Detail("q", message)])
    answers_apart(request, NOBODY)
    offset = decode_number(cursor, highest=MAX_PAGE) if cursor else paging.offset
    query = parse_query(q[:MAX_QUERY])
    by = optional_principal.user_id if optional_principal else client_address(request)
    found = await catalog.search.find(query, offset, paging.page_size, by=by) if query else None
    rows, total = (found.rows, found.total) if found else ((), Total(0, True))
    after = offset + len(rows)
    more = after < total.rows if total.is_exact else len(rows) == paging.page_size
    return Success(
        data=Page(
            data=await to_videos(rows, catalog, request),
            page=paging.page,
            page_size=paging.page_size,
            total=total.rows,
            total_is_exact=exactness(total),
            cursor=encode_cursor(after) if rows and more and after <= MAX_OFFSET else None,
        )
    )


@get(
    "/streaming/id/{video_id:str}",
    opt={SHOWS: "video_id"},
    tags=["videos"],
    summary="One video",
)
async def one(
    request: AnyRequest,
    video_id: FromPath[str],
    catalog: TheCatalog,
    optional_principal: MaybeCaller,
) -> Success[Video]:
    """A video in any status; ``video`` is empty until it is playable."""
    row = await find_visible(catalog, video_id, optional_principal)
    answers_apart(request, row["user_id"])
    return Success(data=(await to_videos([row], catalog, request, optional_principal))[0])


@patch("/streaming/views/{video_id:str}", tags=["videos"], summary="Count a view")
async def count_view(
    request: AnyRequest,
    video_id: FromPath[str],
    catalog: TheCatalog,
    optional_principal: MaybeCaller,
) -> Success[Video]:
    """Counts once a day for each viewer. Answers the video, counted or not."""
    row = await find_visible(catalog, video_id, optional_principal)
    address = client_address(request)
    agent = request.headers.get("user-agent", "")
    today = datetime.now(UTC).date()
    await catalog.pending.add(catalog.view_keys.view(row["id"], address, agent, today))
    counted = await catalog.views.video(row["id"])
    if counted is None:
        raise VideoNotFound
    return Success(data=(await to_videos([counted], catalog, request, optional_principal))[0])


@put("/streaming/{video_id:str}", tags=["videos"], summary="Edit", security=BEARER)
async def edit(
    request: AnyRequest,
    principal: Caller,
    video_id: FromPath[str],
    data: JSONBody[Details],
    catalog: TheCatalog,
) -> Success[Video]:
    command = ChangeDetails(principal.user_id, data.title, data.description)
    return await change_video(request, catalog, principal, video_id, command)


@patch(
    "/streaming/{video_id:str}/visibility",
    tags=["videos"],
    summary="Change visibility",
    security=BEARER,
)
async def change_visibility(
    request: AnyRequest,
    principal: Caller,
    video_id: FromPath[str],
    data: JSONBody[VisibilityChange],
    catalog: TheCatalog,
) -> Success[Video]:
    """Public: listed. Unlisted: for everyone with the address. Private: for the owner, through
    URLs that expire. Draft: like private, until it is published."""
    command = ChangeVisibility(
        principal.user_id, data.visibility, data.publish_at, datetime.now(UTC)
    )
    return await change_video(request, catalog, principal, video_id, command)


@delete(
    "/streaming/{video_id:str}", status_code=200, tags=["videos"], summary="Delete", security=BEARER
)
async def remove(
    principal: Caller, video_id: FromPath[str], catalog: TheCatalog
) -> Success[Message]:
    """Gone for everybody at once. It stays in the bin for some time, from which the owner may take
    it back, where the server has one; a live that is running is gone for good."""
    id_ = checked_id(video_id, VideoNotFound)
    caller, days = principal.user_id, catalog.bin_days
    delete_at = datetime.now(UTC) + timedelta(days=days)
    command = BinVideo(caller, delete_at) if days else DeleteVideo(caller)
    await run_command(catalog, principal, id_, command)
    return Success(data=Message(message="The video was deleted."))


HANDLERS: Final[list[HTTPRouteHandler]] = [
    latest,
    search,
    one,
    count_view,
    edit,
    change_visibility,
    remove,
]


async def change_video(
    request: AnyRequest,
    catalog: Catalog,
    principal: Principal,
    video_id: str,
    command: OwnersCommand,
) -> Success[Video]:
    """Run the command; return the video after it, also if the read models lag."""
    id_ = checked_id(video_id, VideoNotFound)
    state = await run_command(catalog, principal, id_, command)
    row = await find_after_catch_up(catalog, lambda: catalog.views.video(id_))
    if row is None:
        raise VideoNotFound
    shown = (await to_videos([row], catalog, request, principal))[0]
    return Success(data=_with_state(shown, state, catalog.links.downloads))


def _with_state(video: Video, state: domain.Video, default: Downloads) -> Video:
    return msgspec.structs.replace(
        video,
        title=state.title,
        description=state.description,
        tags=[to_tag(name) for name in state.tags],
        visibility=state.visibility,
        publish_at=state.publish_at,
        downloads=state.downloads or default,
        chapters=read_chapters(state.description, video.duration_ms),
    )
