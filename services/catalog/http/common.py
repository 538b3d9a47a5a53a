"""What the routes share: ids, lists, links, and reading what was written a moment ago."""

import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Final, Protocol, TypeVar

from litestar import Request
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter

from services.catalog import domain, representations
from services.catalog.domain import OwnersCommand
from services.catalog.handlers import handle
from services.catalog.live import Tail
from services.catalog.pending_views import PendingViews
from services.catalog.representations import Links, Video
from services.catalog.search import Search
from services.catalog.views import Listing, Place, Row, Views
from services.catalog.webhook_store import Webhooks
from shared.contracts import stream_id
from shared.errors import CinelogError, InvalidInput
from shared.event_store.store import EventStore, Metadata
from shared.http.envelope import Success
from shared.http.identity import Principal
from shared.http.paging import Page, PageParams, decode_cursor, encode_cursor, page_params
from shared.telemetry import current_trace_id, current_traceparent

T = TypeVar("T")

WAIT_SECONDS: Final = 1.0
"""How long a request waits for the read models to catch up with the log."""

PAGING: Final = {"paging": Provide(page_params, sync_to_thread=False)}

Cursor = Annotated[
    str | None,
    QueryParameter(
        name="cursor", max_length=512, description="From the page before, instead of page."
    ),
]

_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


class Freshness(Protocol):
    """Waits until the read models show an event."""

    async def wait_for_event(self, stream_id: str, version: int, timeout: float) -> bool:
        """Whether they show this event, within ``timeout`` seconds."""
        ...

    async def position(self) -> int:
        """The last event that they show."""
        ...

    async def wait_for_latest(self, timeout: float) -> bool:
        """Whether they show what is in the log now, within ``timeout`` seconds."""
        ...


class Accounts(Protocol):
    """What only auth knows."""

    async def email(self, authorization: str) -> str | None:
        """The caller's e-mail address, if auth answers."""
        ...


class Catalog:
    """All that the routes work with; the dependency ``catalog``."""

    def __init__(
        self,
        *,
        views: Views,
        search: Search,
        store: EventStore,
        pending: PendingViews,
        fresh: Freshness,
        tail: Tail,
        accounts: Accounts,
        links: Links,
        webhooks: Webhooks,
        local: bool,
    ) -> None:
        self.views = views
        self.search = search
        self.store = store
        self.pending = pending
        self.fresh = fresh
        self.tail = tail
        self.accounts = accounts
        self.links = links
        self.webhooks = webhooks
        self.local = local


TheCatalog = NamedDependency[Catalog]
Caller = NamedDependency[Principal]
MaybeCaller = NamedDependency[Principal | None]
Paging = NamedDependency[PageParams]


def checked_id(value: str, missing: Callable[[], CinelogError]) -> str:
    """An id in its one form. What cannot be an id cannot be found."""
    lowered = value.lower()
    if not _ID.match(lowered):
        raise missing()
    return lowered


async def settled(catalog: Catalog, look: Callable[[], Awaitable[T | None]]) -> T | None:
    """What ``look`` finds; if nothing, look again once the read models have caught up."""
    found = await look()
    if found is None:
        await catalog.fresh.wait_for_latest(WAIT_SECONDS)
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
        await catalog.fresh.wait_for_event(
            stream_id("video", video_id), outcome.version, WAIT_SECONDS
        )
    return outcome.state


def present(
    rows: Sequence[Row], catalog: Catalog, request: Request[Any, Any, State]
) -> list[Video]:
    """Videos as the contract shows them, with links as they must look to this caller."""
    links = catalog.links.seen_from(request.headers.get("x-cinelog-origin"))
    now = time.time()
    return [representations.video(row, links, now) for row in rows]


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
    if place.created_at.tzinfo is None or not _ID.match(place.id):
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
