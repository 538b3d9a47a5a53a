"""Routes that the gateway asks, and never forwards: whether the read models show what another
service has appended, so that the next read does; and what they no longer show."""

import asyncio
import re
from typing import Annotated, Final

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from services.catalog.event_tail.shown_changes import Shown
from services.catalog.http.access import WAIT_SECONDS
from services.catalog.http.dependencies import TheCatalog
from shared.errors import InvalidInput

_EVENT: Final = re.compile(r"([a-z]{1,20}-[A-Za-z0-9-]{1,64})@([0-9]{1,9})\Z")

# Less than a server waits for requests when it ends.
_CHANGE_SECONDS: Final = 4.0


class CaughtUp(msgspec.Struct, frozen=True, kw_only=True):
    caught_up: bool


@get("/caught-up")
async def caught_up(
    catalog: TheCatalog, events: Annotated[str, QueryParameter(name="events", max_length=1000)]
) -> CaughtUp:
    """Answers once the read models show these events (``stream@version``, separated by commas), or
    after ``WAIT_SECONDS``."""
    wanted = [_parsed(event) for event in events.split(",")]
    shown = await asyncio.gather(
        *(catalog.checkpoint.wait_for_event(*event, WAIT_SECONDS) for event in wanted)
    )
    return CaughtUp(caught_up=all(shown))


@get("/shown")
async def shown(
    catalog: TheCatalog, after: Annotated[int, QueryParameter(name="after", ge=0)]
) -> Shown:
    """What answers that are the same for everybody no longer show as they did at the position
    ``after``: as soon as anything has changed, or after ``_CHANGE_SECONDS``."""
    return await catalog.tail.shown.after(after, _CHANGE_SECONDS)


def _parsed(event: str) -> tuple[str, int]:
    found = _EVENT.match(event)
    if found is None:
        raise InvalidInput("Each event is written as stream@version.")
    return found[1], int(found[2])


HANDLERS: Final[list[HTTPRouteHandler]] = [caught_up, shown]
