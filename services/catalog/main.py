"""Wires the catalog: ``python -m services.catalog.main {api|projector|rebuild|redrive}``.

``rebuild`` builds the read models from the log and replaces the live ones; ``rebuild --verify``
only reports the rows that differ. ``redrive`` applies parked events again.
"""

import os
import sys
from datetime import UTC, datetime

import httpx
import msgspec
from litestar.di import Provide

from services.catalog.api_models import Links
from services.catalog.auth_client import AuthClient
from services.catalog.consumers import consume_events
from services.catalog.event_tail.tail import EventTail
from services.catalog.http import routes
from services.catalog.http.dependencies import Catalog, Counting, Database
from services.catalog.pending_views import PendingViews
from services.catalog.projector import BackgroundTasks, Projector
from services.catalog.queries import lists, search, search_turns
from services.catalog.queries.duties import Duties
from services.catalog.queries.feeds import Feeds
from services.catalog.read_model.projections import NAME, Library
from services.catalog.read_model.rebuild import Rebuild
from services.catalog.settings import ApiSettings, ProjectorSettings, RebuildSettings
from services.catalog.webhooks.webhook_delivery import WebhookDelivery
from services.catalog.webhooks.webhook_sender import WebhookSender
from services.catalog.webhooks.webhook_store import Webhooks
from shared import settings
from shared.database.connect import create_engine
from shared.event_store.postgres import open_event_store
from shared.event_store.projections.checkpoint_watcher import watch_checkpoint
from shared.event_store.projections.projection import ProjectionRunner
from shared.event_store.projections.projection_metrics import ProjectionMetrics
from shared.host.buckets import open_s3
from shared.host.entry import Command, Role, run_entry
from shared.host.host import Host, Process, Served
from shared.host.projection_commands import redrive_parked, show_progress
from shared.host.redis_client import open_redis
from shared.http.app import create_app
from shared.http.identity import Verifier
from shared.http.sessions import Sessions
from shared.live_viewers.counts import ViewerCounts
from shared.loops.items import ItemMetrics
from shared.loops.leaders import Leader
from shared.messaging.broker import connected, create_broker
from shared.messaging.metrics import MessageMetrics
from shared.public_addresses import Reach

SCHEMA = "catalog"


async def compose_api(
    config: ApiSettings, host: Host, *, verifier: Verifier | None = None
) -> Process:
    """Serves the API. ``verifier`` replaces the one that fetches auth's keys."""
    url = config.database_url
    log = await host.log(url)
    checkpoint = await host.stack.enter_async_context(
        watch_checkpoint(host.loops, url, log, SCHEMA, NAME)
    )
    client = await host.stack.enter_async_context(httpx.AsyncClient(trust_env=False))
    sessions = Sessions(log)
    tail = EventTail(log, checkpoint.position, sessions, host.loops)
    bucket = await open_s3(
        host,
        config.s3_endpoint,
        config.s3_region,
        config.s3_access_key,
        config.s3_secret_key,
        connections=8,
        sync_url=config.s3_sync_url,
    )
    catalog = Catalog(
        Database(
            await host.engine(url, size=3),
            await host.reads(url, size=6, session=lists.SESSION),
            await host.reads(url, size=search_turns.AT_ONCE, name="search", session=search.SESSION),
        ),
        log,
        checkpoint,
        tail,
        media=bucket(config.s3_media_bucket),
        emails=AuthClient(client, config.auth_url),
        links=Links(
            config.media_grant_secret,
            (config.public_url or "").rstrip("/"),
            downloads=config.downloads_default,
        ),
        reach=config.webhook_networks or Reach(),
        counting=Counting(
            config.views_per_address,
            ViewerCounts(open_redis(host, config.redis_url) if config.redis_url else None),
        ),
        bin_days=config.bin_days,
    )
    app = create_app(
        "catalog",
        routes(fixed_links=bool(config.public_url)),
        checks={"postgres": log.head},
        dependencies={"catalog": Provide(lambda: catalog, sync_to_thread=False)},
        verifier=verifier
        or host.verifier(config.jwks_url, issuer=config.jwt_issuer, audience=config.jwt_audience),
        sessions=sessions,
        registry=host.registry,
        progress=host.loops.progress,
    )
    return Process(
        servers=[Served(app, config.bind)],
        work={"event tail": lambda: tail.run(url, f"{SCHEMA}.{NAME}")},
    )


async def compose_projector(config: ProjectorSettings, host: Host) -> Process:
    """Updates the read models, appends counted views and delivers webhooks while it leads."""
    url = config.database_url
    engine = await host.engine(url, size=4)
    log = await host.log(url)
    # No keep-alive: each message is sent to the address that its own lookup has checked.
    limits = httpx.Limits(max_keepalive_connections=0)
    client = await host.stack.enter_async_context(httpx.AsyncClient(trust_env=False, limits=limits))
    projections, messages = ProjectionMetrics(host.registry), MessageMetrics(host.registry)
    items = ItemMetrics(host.registry)
    projector = Projector(
        host.loops,
        lambda: ProjectionRunner(
            engine, log, Library(SCHEMA), SCHEMA, metrics=projections, loops=host.loops
        ),
        lambda runner: consume_events(
            host.loops,
            lambda alive: connected(create_broker(config.amqp_url), alive=alive),
            runner,
            messages,
        ),
        BackgroundTasks(log, PendingViews(engine), Duties(engine), items),
        WebhookDelivery(
            Webhooks(engine),
            Feeds(engine),
            WebhookSender(client, config.webhook_networks or Reach()),
            config.media_grant_secret,
            metrics=items,
            clock=lambda: datetime.now(UTC),
        ),
    )
    app = create_app(
        "catalog-projector",
        [],
        checks={"postgres": log.head},
        registry=host.registry,
        progress=host.loops.progress,
    )
    return Process(
        servers=[Served(app, config.metrics_bind)],
        work={"projector": lambda: host.loops.lead(Leader.PROJECTOR, url, projector.run)},
    )


async def rebuild(config: RebuildSettings) -> None:
    """Rebuild the read models and replace the live ones."""
    await _rebuild(config, swap=True)


async def verify(config: RebuildSettings) -> None:
    """Rebuild the read models and only report the rows that differ."""
    await _rebuild(config, swap=False)


async def _rebuild(config: RebuildSettings, *, swap: bool) -> None:
    """Rebuild with progress on standard error and the report on standard output."""
    engine = create_engine(config.database_admin_url, size=2, answer_seconds=None)
    try:
        async with open_event_store(config.database_admin_url, connections=2) as store:
            report = await Rebuild(engine, store, show_progress()).run(swap=swap)
    finally:
        await engine.dispose()
    sys.stderr.write("\n")
    sys.stdout.write(f"{msgspec.json.format(msgspec.json.encode(report)).decode()}\n")


async def redrive_library(config: RebuildSettings) -> None:
    """Apply parked events again; the report goes to standard output."""
    await redrive_parked(config.database_admin_url, Library(SCHEMA), SCHEMA)


ENTRIES = {
    "api": Role("catalog", ApiSettings, compose_api),
    "projector": Role("catalog-projector", ProjectorSettings, compose_projector),
    "redrive": Command("catalog-redrive", RebuildSettings, redrive_library),
    "rebuild": Command("catalog-rebuild", RebuildSettings, rebuild),
    "rebuild --verify": Command("catalog-rebuild", RebuildSettings, verify),
}

if __name__ == "__main__":
    settings.run(lambda: run_entry(ENTRIES, sys.argv[1:], os.environ))
