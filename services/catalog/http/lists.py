"""Pages, cursors, and videos with links for the caller."""

import time
from collections.abc import Sequence
from datetime import UTC
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from litestar import Request
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter

from services.catalog import api_models
from services.catalog.api_models import Video
from services.catalog.http.access import is_id
from services.catalog.http.dependencies import Catalog
from services.catalog.queries.lists import Keyset, Listing, Row
from services.catalog.queries.totals import Total
from shared.errors import InvalidInput
from shared.http.envelope import Success
from shared.http.identity import Principal
from shared.http.paging import Page, PageParams, decode_cursor, encode_cursor, page_params

T = TypeVar("T")

PAGING: Final = {"paging": Provide(page_params, sync_to_thread=False)}

Cursor = Annotated[
    str | None,
    QueryParameter(
        name="cursor", max_length=512, description="From the page before, instead of page."
    ),
]
OnlyLive = Annotated[
    bool, QueryParameter(name="live", description="Only what is being sent live now.")
]
Paging = NamedDependency[PageParams]


async def to_videos(
    rows: Sequence[Row],
    catalog: Catalog,
    request: Request[Any, Any, State],
    principal: Principal | None = None,
) -> list[Video]:
    """Videos with links to the origin of this request.

    ``principal`` is needed where the caller's own videos may be among them, which others do not
    see: without one, the links of those open nothing.
    """
    session, user = (principal.session_id, principal.user_id) if principal else ("", "")
    links = catalog.links.for_request(request.headers.get("x-cinelog-origin"), session, user)
    now = time.time()
    live = [row["id"] for row in rows if row["status"] == "live"]
    viewers = await catalog.viewers.now(live)
    return [api_models.to_video(row, links, now, viewers.get(row["id"])) for row in rows]


def to_page(listing: Listing, items: list[T], paging: PageParams) -> Success[Page[T]]:
    """A page of ``items``, which are made from the listing's rows."""
    cursor = encode_cursor(listing.next) if listing.next else None
    return Success(
        data=Page(
            data=items,
            page=paging.page,
            page_size=paging.page_size,
            total=listing.total.rows,
            total_is_exact=exactness(listing.total),
            cursor=cursor,
        )
    )


def exactness(total: Total) -> Literal[False] | msgspec.UnsetType:
    """``total_is_exact`` of a page: only where it is not."""
    return msgspec.UNSET if total.is_exact else False


def decode_keyset(cursor: str | None) -> Keyset | None:
    """The keyset of a cursor; None without one. Raises InvalidInput."""
    if not cursor:
        return None
    keyset = decode_cursor(cursor, Keyset)
    try:
        # The first and the last day have no time in other zones.
        keyset.created_at.astimezone(UTC)
    except OverflowError:
        raise InvalidInput("This cursor is not one of ours.") from None
    if keyset.created_at.tzinfo is None or not is_id(keyset.id):
        raise InvalidInput("This cursor is not one of ours.")
    return keyset


def decode_number(cursor: str | None, highest: int = 2**62) -> int:
    """The position or offset of a cursor; 0 without one. Raises InvalidInput."""
    if not cursor:
        return 0
    number = decode_cursor(cursor, int)
    if not 0 <= number <= highest:
        raise InvalidInput("This cursor is not one of ours.")
    return number
