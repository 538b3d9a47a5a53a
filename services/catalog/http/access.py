"""What a caller may touch, and reading what was written a moment ago."""

import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from services.catalog import domain
from services.catalog.domain import OwnersCommand
from services.catalog.handlers import handle
from services.catalog.http.dependencies import Catalog
from services.catalog.queries.views import Row
from shared.contracts import stream_id
from shared.errors import CinelogError
from shared.event_store.store import Metadata
from shared.http.identity import Principal
from shared.telemetry import current_trace_id, current_traceparent

T = TypeVar("T")

WAIT_SECONDS: Final = 1.0
"""How long a request waits for the read models to catch up with the log."""

_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


def is_id(value: str) -> bool:
    """Whether this has the form of an id."""
    return _ID.match(value) is not None


def checked_id(value: str, missing: Callable[[], CinelogError]) -> str:
    """An id in its one form. What cannot be an id cannot be found."""
    lowered = value.lower()
    if not is_id(lowered):
        raise missing()
    return lowered


async def settled(catalog: Catalog, look: Callable[[], Awaitable[T | None]]) -> T | None:
    """What ``look`` finds; if nothing, look again once the read models have caught up."""
    found = await look()
    if found is None:
        await catalog.checkpoint.wait_for_latest(WAIT_SECONDS)
        found = await look()
    return found


def may_see(row: Row, principal: Principal | None) -> bool:
    """Whether a video is anyone's to see, or the caller's own."""
    return row["visibility"] != "private" or is_owner(row, principal)


def is_owner(row: Row, principal: Principal | None) -> bool:
    """Whether what the row describes is the caller's."""
    return principal is not None and row["user_id"] == principal.user_id


def metadata(principal: Principal) -> Metadata:
    """Where the events of this request come from."""
    return Metadata(
        correlation_id=current_trace_id(),
        actor=principal.user_id,
        traceparent=current_traceparent(),
    )


async def command(
    catalog: Catalog, principal: Principal, video_id: str, wanted: OwnersCommand
) -> domain.Video:
    """Run an owner's command and wait until the read models show it."""
    outcome = await handle(catalog.store, video_id, wanted, metadata(principal))
    if outcome.events:
        await catalog.checkpoint.wait_for_event(
            stream_id("video", video_id), outcome.version, WAIT_SECONDS
        )
    return outcome.state
