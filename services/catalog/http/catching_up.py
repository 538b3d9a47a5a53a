"""The route that the gateway asks after another service has appended events: so that the next read
shows them. The gateway never forwards it."""

import asyncio
import re
from typing import Annotated, Final

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from services.catalog.http.access import WAIT_SECONDS
from services.catalog.http.dependencies import TheCatalog
from shared.errors import InvalidInput

_EVENT: Final = re.compile(r"([a-z]{1,20}-[A-Za-z0-9-]{1,64})@([0-9]{1,9})\Z")


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


def _parsed(event: str) -> tuple[str, int]:
    found = _EVENT.match(event)
    if found is None:
        raise InvalidInput("Each event is written as stream@version.")
    return found[1], int(found[2])


HANDLERS: Final[list[HTTPRouteHandler]] = [caught_up]
