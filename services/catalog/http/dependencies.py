"""What the routes are given: the parts of the catalog, and who is calling."""

from typing import Protocol

from litestar.di import NamedDependency

from services.catalog.api_models import Links
from services.catalog.event_tail import EventTail
from services.catalog.pending_views import PendingViews
from services.catalog.queries.search import Search
from services.catalog.queries.views import Views
from services.catalog.webhooks.webhook_store import Webhooks
from shared.event_store.store import EventStore
from shared.http.identity import Principal


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


class EmailLookup(Protocol):
    """Asks auth for what the catalog does not store."""

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
        tail: EventTail,
        emails: EmailLookup,
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
        self.emails = emails
        self.links = links
        self.webhooks = webhooks
        self.local = local


TheCatalog = NamedDependency[Catalog]
Caller = NamedDependency[Principal]
MaybeCaller = NamedDependency[Principal | None]
