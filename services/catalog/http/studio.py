"""Routes of a person's own videos."""

from typing import Annotated, Final

from litestar import Request, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from services.catalog.api_models import Video
from services.catalog.http.dependencies import Caller, TheCatalog
from services.catalog.http.lists import (
    PAGING,
    Cursor,
    Paging,
    decode_number,
    exactness,
    to_videos,
)
from services.catalog.queries.own_videos import Own, Sort, Wanted
from services.catalog.queries.totals import Total
from services.catalog.read_model.text_analysis import MAX_QUERY, parse_query
from services.catalog.rows import VideoStatus
from shared.contracts import Visibility
from shared.http.envelope import Success
from shared.http.openapi import BEARER
from shared.http.paging import MAX_OFFSET, Page, encode_cursor

_NOTHING: Final = Own((), Total(0, True), None)


@get(
    "/users/me/videos",
    dependencies=PAGING,
    tags=["users"],
    summary="My videos",
    security=BEARER,
)
async def mine(
    *,
    request: Request[object, object, State],
    principal: Caller,
    catalog: TheCatalog,
    paging: Paging,
    sort: Annotated[Sort, QueryParameter(name="sort")] = "newest",
    status: Annotated[VideoStatus | None, QueryParameter(name="status")] = None,
    visibility: Annotated[Visibility | None, QueryParameter(name="visibility")] = None,
    q: Annotated[
        str | None,
        QueryParameter(name="q", description="Words, all of them; the last may be begun."),
    ] = None,
    cursor: Cursor = None,
) -> Success[Page[Video]]:
    """All of the caller's videos, in any order and state; words are looked for as search does,
    without other spellings."""
    offset = decode_number(cursor, highest=MAX_OFFSET) if cursor else paging.offset
    query = parse_query(q[:MAX_QUERY]) if q and q.strip() else None
    if query is None and q and q.strip():
        found = _NOTHING
    else:
        wanted = Wanted(sort, status, visibility, query.strict if query else None)
        found = await catalog.own.page(principal.user_id, wanted, offset, paging.page_size)
    return Success(
        data=Page(
            data=await to_videos(found.rows, catalog, request, principal),
            page=paging.page,
            page_size=paging.page_size,
            total=found.total.rows,
            total_is_exact=exactness(found.total),
            cursor=None if found.after is None else encode_cursor(found.after),
        )
    )


HANDLERS: Final[list[HTTPRouteHandler]] = [mine]
