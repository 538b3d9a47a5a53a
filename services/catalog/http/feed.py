"""The caller's own events, in the log's order."""

from typing import Annotated, Final

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from services.catalog.api_models import FeedEvent, feed_event
from services.catalog.http.dependencies import Caller, TheCatalog
from services.catalog.http.lists import PAGING, Paging, number_of
from shared.contracts import EVENT_TYPES
from shared.errors import Detail, InvalidInput
from shared.http.envelope import Success
from shared.http.openapi import BEARER
from shared.http.paging import encode_cursor


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """``cursor`` goes on after the last event; asking with it again later shows what is new."""

    data: list[FeedEvent]
    cursor: str
    more: bool


@get("/events", dependencies=PAGING, tags=["events"], summary="My events", security=BEARER)
async def events(
    principal: Caller,
    catalog: TheCatalog,
    paging: Paging,
    after: Annotated[
        str | None, QueryParameter(name="after", max_length=512, description="A cursor.")
    ] = None,
    types: Annotated[
        str | None,
        QueryParameter(name="types", max_length=1000, description="Names, separated by commas."),
    ] = None,
) -> Success[Feed]:
    """Everything that happened to the caller's account and videos, oldest first.

    Replayable from any cursor for good; progress in percent is not among it.
    """
    position = number_of(after)
    wanted = [name.strip() for name in (types or "").split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in EVENT_TYPES]:
        message = f"There are no events called {', '.join(unknown[:5])}."
        raise InvalidInput(message, [Detail("types", message)])
    rows = await catalog.views.feed(principal.user_id, position, wanted, paging.page_size + 1)
    shown = rows[: paging.page_size]
    last = shown[-1]["position"] if shown else position
    return Success(
        data=Feed(
            data=[feed_event(row) for row in shown],
            cursor=encode_cursor(last),
            more=len(rows) > len(shown),
        )
    )


HANDLERS: Final[list[HTTPRouteHandler]] = [events]
