"""The dependencies of the routes: the catalog's parts, and the caller."""

from typing import Protocol

import msgspec
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncEngine

from services.catalog.api_models import Links
from services.catalog.event_tail.tail import EventTail
from services.catalog.http.conversions import Conversions
from services.catalog.http.histories import Histories
from services.catalog.pending_views import PER_ADDRESS, PendingViews
from services.catalog.queries.feeds import Feeds
from services.catalog.queries.own_videos import OwnVideos
from services.catalog.queries.search import Search
from services.catalog.queries.views import Views
from services.catalog.viewers import ViewKeys
from services.catalog.webhooks.webhook_store import Webhooks
from shared.blobs.store import BlobStore
from shared.database.reads import Reads
from shared.event_store.store import EventStore
from shared.http.identity import Principal
from shared.live_viewers.counts import ViewerCounts
from shared.public_addresses import Reach


class Checkpoint(Protocol):
    """How far the read models have caught up with the log."""

    async def wait_for_event(self, stream_id: str, version: int, timeout: float) -> bool:
        """Whether they include this event, after at most ``timeout`` seconds."""
        ...

    async def position(self) -> int:
        """The position of the last event that they include."""
        ...

    async def wait_for_latest(self, timeout: float) -> bool:
        """Whether they include every event of the log, after at most ``timeout`` seconds."""
        ...


class EmailLookup(Protocol):
    """Asks auth, because the catalog stores no e-mail address."""

    async def email(self, authorization: str) -> str | None:
        """The caller's e-mail address; None if auth does not answer."""
        ...


class Counting(msgspec.Struct, frozen=True):
    """Views that one address may add in a day, and where viewers of running lives are counted."""

    views_per_address: int = PER_ADDRESS
    viewers: ViewerCounts = ViewerCounts(None)


class Database(msgspec.Struct, frozen=True):
    """Connections to the database: for transactions, for reads, and for search."""

    engine: AsyncEngine
    reads: Reads
    searches: Reads


class Catalog:
    """The parts that the routes use; the dependency ``catalog``.

    ``reach``: whom webhooks may call. ``media``: the bucket to which captions go. ``bin_days``: for
    how long deleted videos may be taken back.
    """

    def __init__(
        self,
        database: Database,
        store: EventStore,
        checkpoint: Checkpoint,
        tail: EventTail,
        *,
        media: BlobStore,
        emails: EmailLookup,
        links: Links,
        reach: Reach,
        counting: Counting,
        bin_days: int,
    ) -> None:
        self.views = Views(database.reads)
        self.own = OwnVideos(database.reads)
        self.search = Search(database.searches)
        self.feeds = Feeds(database.engine)
        self.pending = PendingViews(database.engine, per_address=counting.views_per_address)
        self.viewers = counting.viewers
        self.view_keys = ViewKeys(links.secret)
        self.webhooks = Webhooks(database.engine)
        self.store = store
        self.checkpoint = checkpoint
        self.tail = tail
        self.media = media
        self.conversions = Conversions()
        self.emails = emails
        self.links = links
        self.reach = reach
        self.histories = Histories(store)
        self.bin_days = bin_days


TheCatalog = NamedDependency[Catalog]
Caller = NamedDependency[Principal]
MaybeCaller = NamedDependency[Principal | None]
