"""Access rules of routes, and reads that include the caller's own writes."""

import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from services.catalog import domain
from services.catalog.domain import OwnersCommand, VideoNotFound
from services.catalog.handlers import handle
from services.catalog.http.dependencies import Catalog
from services.catalog.queries.lists import Row
from shared.contracts import SHOWN_TO_OTHERS, stream_id
from shared.errors import CinelogError
from shared.event_store.store import Metadata
from shared.http.identity import Principal
from shared.telemetry import current_trace_id, current_traceparent

T = TypeVar("T")

WAIT_SECONDS: Final = 1.0
"""The longest time that a request waits for the read models to catch up with the log."""

_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


def is_id(value: str) -> bool:
    """Whether ``value`` has the form of an id."""
    return _ID.match(value) is not None


def checked_id(value: str, missing: Callable[[], CinelogError]) -> str:
    """The id in lower case. Raises ``missing()`` if ``value`` does not have the form of an id."""
    lowered = value.lower()
    if not is_id(lowered):
        raise missing()
    return lowered


async def find_after_catch_up(
    catalog: Catalog, find: Callable[[], Awaitable[T | None]]
) -> T | None:
    """The result of ``find``; if None, of a second call after the read models have caught up."""
    found = await find()
    if found is None:
        await catalog.checkpoint.wait_for_latest(WAIT_SECONDS)
        found = await find()
    return found


def may_see(row: Row, principal: Principal | None) -> bool:
    """Whether the caller may see a video: it is shown to others, or it is the caller's own."""
    return row["visibility"] in SHOWN_TO_OTHERS or is_owner(row, principal)


async def find_visible(catalog: Catalog, video_id: str, principal: Principal | None) -> Row:
    """A video that the caller may see. Raises VideoNotFound."""
    id_ = checked_id(video_id, VideoNotFound)

    async def visible() -> Row | None:
        row = await catalog.views.video(id_)
        return row if row is not None and may_see(row, principal) else None

    # What is hidden is looked for as long as what does not exist: no clock tells them apart.
    row = await find_after_catch_up(catalog, visible)
    if row is None:
        raise VideoNotFound
    return row


def is_owner(row: Row, principal: Principal | None) -> bool:
    """Whether the video or job of this row is the caller's own."""
    return principal is not None and row["user_id"] == principal.user_id


def metadata(principal: Principal) -> Metadata:
    """The metadata of the events that this request appends."""
    return Metadata(
        correlation_id=current_trace_id(),
        actor=principal.user_id,
        traceparent=current_traceparent(),
    )


async def run_command(
    catalog: Catalog, principal: Principal, video_id: str, command: OwnersCommand
) -> domain.Video:
    """Run an owner's command; wait, at most ``WAIT_SECONDS``, until the read models include it.

    Raises TooMuchRead, and what ``handle`` raises.
    """
    with catalog.histories.deciding(principal.user_id) as streams:
        outcome = await handle(streams, video_id, command, metadata(principal))
    if outcome.events:
        await catalog.checkpoint.wait_for_event(
            stream_id("video", video_id), outcome.version, WAIT_SECONDS
        )
    return outcome.state
