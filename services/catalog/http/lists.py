"""Lists as the contract shows them: pages, cursors, and videos with links for the caller."""

import time
from collections.abc import Sequence
from typing import Annotated, Any, Final, TypeVar

from litestar import Request
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter

from services.catalog import api_models
from services.catalog.api_models import Video
from services.catalog.http.access import is_id
from services.catalog.http.dependencies import Catalog
from services.catalog.queries.views import Listing, Place, Row
from shared.errors import InvalidInput
from shared.http.envelope import Success
from shared.http.paging import Page, PageParams, decode_cursor, encode_cursor, page_params

T = TypeVar("T")

PAGING: Final = {"paging": Provide(page_params, sync_to_thread=False)}

Cursor = Annotated[
    str | None,
    QueryParameter(
        name="cursor", max_length=512, description="From the page before, instead of page."
    ),
]
Paging = NamedDependency[PageParams]


def present(
    rows: Sequence[Row], catalog: Catalog, request: Request[Any, Any, State]
) -> list[Video]:
    """Videos as the contract shows them, with links as they must look to this caller."""
    links = catalog.links.seen_from(request.headers.get("x-cinelog-origin"))
    now = time.time()
    return [api_models.video(row, links, now) for row in rows]


def paged(listing: Listing, items: list[T], paging: PageParams) -> Success[Page[T]]:
    """A page of ``items``, which stand for the listing's rows."""
    cursor = encode_cursor(listing.next) if listing.next else None
    return Success(
        data=Page(
            data=items,
            page=paging.page,
            page_size=paging.page_size,
            total=listing.total,
            cursor=cursor,
        )
    )


def place_of(cursor: str | None) -> Place | None:
    """Where a cursor says to go on. Raises InvalidInput."""
    if not cursor:
        return None
    place = decode_cursor(cursor, Place)
    if place.created_at.tzinfo is None or not is_id(place.id):
        raise InvalidInput("This cursor is not one of ours.")
    return place


def number_of(cursor: str | None, highest: int = 2**62) -> int:
    """The number in a cursor that counts, 0 without one. Raises InvalidInput."""
    if not cursor:
        return 0
    number = decode_cursor(cursor, int)
    if not 0 <= number <= highest:
        raise InvalidInput("This cursor is not one of ours.")
    return number
