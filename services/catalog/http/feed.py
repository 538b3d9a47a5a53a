"""The route of the caller's feed, in the log's order."""

from typing import Annotated, Final

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from services.catalog.api_models import FeedEvent, to_feed_event
from services.catalog.http.dependencies import Caller, TheCatalog
from services.catalog.http.lists import PAGING, Paging, decode_number
from shared.contracts import EVENT_TYPES
from shared.errors import Detail, InvalidInput
from shared.http.envelope import Success
from shared.http.openapi import BEARER
from shared.http.paging import encode_cursor


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """``cursor`` resumes after the last event; later it returns the events since then."""

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
    """The events of the caller's account and videos, oldest first.

    A cursor never expires. Progress in percent is not included. An event that could not be shown at
    first, during an upgrade for instance, comes later at its own place, which may be before a
    cursor. Webhooks get it, too.
    """
    position = decode_number(after)
    wanted = [name.strip() for name in (types or "").split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in EVENT_TYPES]:
        message = f"These event types do not exist: {', '.join(unknown[:5])}."
        raise InvalidInput(message, [Detail("types", message)])
    rows = await catalog.feeds.feed(principal.user_id, position, wanted, paging.page_size + 1)
    shown = rows[: paging.page_size]
    last = shown[-1]["position"] if shown else position
    return Success(
        data=Feed(
            data=[to_feed_event(row) for row in shown],
            cursor=encode_cursor(last),
            more=len(rows) > len(shown),
        )
    )


HANDLERS: Final[list[HTTPRouteHandler]] = [events]
