"""Wires the catalog's processes: ``python -m services.catalog.main api`` or ``projector``.

``rebuild`` makes the read models anew from the log and lets them take over; ``rebuild --verify``
only says which rows differ. ``redrive`` applies parked events again.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

import httpx
import msgspec
from litestar import Litestar
from litestar.di import Provide
from prometheus_client import CollectorRegistry

from services.catalog.api_models import Links
from services.catalog.auth_client import AuthClient
from services.catalog.consumers import consume_events
from services.catalog.event_tail import EventTail
from services.catalog.http import routes
from services.catalog.http.dependencies import Catalog
from services.catalog.pending_views import PendingViews
from services.catalog.projector import BackgroundTasks, Projector, ProjectorMetrics
from services.catalog.queries.search import Search
from services.catalog.queries.views import Views
from services.catalog.read_model.projections import NAME, Library
from services.catalog.read_model.rebuild import Rebuild
from services.catalog.settings import ApiSettings, ProjectorSettings, RebuildSettings
from services.catalog.webhooks.webhook_delivery import WebhookDelivery
from services.catalog.webhooks.webhook_sender import WebhookSender
from services.catalog.webhooks.webhook_store import Webhooks
from shared import settings, telemetry
from shared.database.connect import create_engine
from shared.database.metrics import watch_engine
from shared.event_store.postgres import open_event_store
from shared.event_store.projections.checkpoint_watcher import watch_checkpoint
from shared.event_store.projections.parking import redrive
from shared.event_store.projections.projection import ProjectionRunner
from shared.http import server
from shared.http.app import create_app
from shared.http.identity import Verifier
from shared.http.metrics import create_registry
from shared.messaging.broker import connected, create_broker
from shared.messaging.metrics import MessageMetrics

SCHEMA = "catalog"


@asynccontextmanager
async def open_catalog(config: ApiSettings, registry: CollectorRegistry) -> AsyncIterator[Catalog]:
    """Everything that the routes work with, connected; closes at the end."""
    async with AsyncExitStack() as stack:
        engine = create_engine(config.database_url, size=8)
        watch_engine(registry, engine)
        stack.push_async_callback(engine.dispose)
        store = await stack.enter_async_context(
            open_event_store(config.database_url, registry=registry)
        )
        fresh = await stack.enter_async_context(
            watch_checkpoint(config.database_url, store, SCHEMA, NAME)
        )
        client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
        tail = EventTail(store, fresh.position, config.database_url, f"{SCHEMA}.{NAME}")
        following = asyncio.create_task(tail.run())
        stack.push_async_callback(_cancel, following)
        yield Catalog(
            views=Views(engine),
            search=Search(engine),
            store=store,
            pending=PendingViews(engine),
            fresh=fresh,
            tail=tail,
            emails=AuthClient(client, config.auth_url),
            webhooks=Webhooks(engine),
            local=config.cinelog_mode == "local",
            links=Links(config.media_grant_secret, (config.public_url or "").rstrip("/")),
        )


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def create_api(config: ApiSettings, verifier: Verifier | None = None) -> Litestar:
    """The HTTP application. ``verifier`` replaces the one that polls auth's keys."""
    registry = create_registry(config.otel_exporter_otlp_endpoint)

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with open_catalog(config, registry) as catalog:
            app.state.catalog = catalog
            yield

    def provide_catalog() -> Catalog:
        return app.state.catalog

    async def database() -> None:
        await app.state.catalog.store.head()

    app = create_app(
        "catalog",
        routes(),
        checks={"postgres": database},
        lifespan=[lifespan],
        dependencies={"catalog": Provide(provide_catalog, sync_to_thread=False)},
        verifier=verifier
        or Verifier.from_url(
            config.jwks_url, issuer=config.jwt_issuer, audience=config.jwt_audience
        ),
        registry=registry,
    )
    return app


@asynccontextmanager
async def open_projector(
    config: ProjectorSettings, registry: CollectorRegistry
) -> AsyncIterator[Projector]:
    """The projector, connected to the database; the broker is found as it runs."""
    async with AsyncExitStack() as stack:
        engine = create_engine(config.database_url, size=4)
        watch_engine(registry, engine)
        stack.push_async_callback(engine.dispose)
        store = await stack.enter_async_context(
            open_event_store(config.database_url, registry=registry)
        )
        metrics, messages = ProjectorMetrics(registry), MessageMetrics(registry)
        # A new connection for each message: one that is kept belongs to an address, not a name.
        limits = httpx.Limits(max_keepalive_connections=0)
        client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, limits=limits))
        yield Projector(
            url=config.database_url,
            new_runner=lambda: ProjectionRunner(
                engine, store, Library(SCHEMA), SCHEMA, metrics=metrics.projection
            ),
            consume=lambda runner: consume_events(
                create_broker(config.amqp_url), connected, runner, messages
            ),
            background=BackgroundTasks(store, PendingViews(engine), Views(engine)),
            webhooks=WebhookDelivery(
                Webhooks(engine),
                Views(engine),
                WebhookSender(client, local=config.cinelog_mode == "local"),
                config.media_grant_secret,
                lambda: datetime.now(UTC),
            ),
            store=store,
            metrics=metrics,
        )


async def run_projector(config: ProjectorSettings) -> None:
    """Project whenever this process leads, until SIGTERM or SIGINT."""
    registry = create_registry(config.otel_exporter_otlp_endpoint)
    async with open_projector(config, registry) as projector:
        checks = {"postgres": projector.head}
        app = create_app("catalog-projector", [], checks=checks, registry=registry)
        async with server.serving(app, config.metrics_bind):
            stop = server.stop_on_signals()
            work = asyncio.create_task(projector.run())
            await stop.wait()
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


async def run_rebuild(config: RebuildSettings, *, swap: bool) -> None:
    """Rebuild the read models, with progress on standard error, the report on standard output."""
    began = time.monotonic()

    def progress(position: int, target: int) -> None:
        speed = position / max(time.monotonic() - began, 0.001)
        left = (target - position) / max(speed, 0.001)
        share = position / target if target else 1.0
        sys.stderr.write(f"\r{share:7.1%}  {position} of {target} events, {left:.0f} s left  ")

    engine = create_engine(config.database_admin_url, size=2, answer_seconds=None)
    try:
        async with open_event_store(config.database_admin_url, connections=2) as store:
            report = await Rebuild(engine, store, progress).run(swap=swap)
    finally:
        await engine.dispose()
    sys.stderr.write("\n")
    sys.stdout.write(f"{msgspec.json.format(msgspec.json.encode(report)).decode()}\n")


async def run_redrive(config: RebuildSettings) -> None:
    """Apply parked events again; the report goes to standard output."""
    engine = create_engine(config.database_admin_url, size=2, answer_seconds=None)
    try:
        async with open_event_store(config.database_admin_url, connections=2) as store:
            report = await redrive(engine, store, Library(SCHEMA), SCHEMA)
    finally:
        await engine.dispose()
    sys.stdout.write(f"{msgspec.json.encode(report).decode()}\n")


def main(arguments: list[str], env: Mapping[str, str]) -> None:
    """Run the process that the first argument names. Raises SettingsError."""
    match arguments:
        case ["api"]:
            api = settings.load(ApiSettings, env)
            telemetry.configure("catalog", api.cinelog_mode, api.otel_exporter_otlp_endpoint)
            server.serve(lambda: create_api(api), api.bind)
        case ["projector"]:
            projector = settings.load(ProjectorSettings, env)
            telemetry.configure(
                "catalog-projector", projector.cinelog_mode, projector.otel_exporter_otlp_endpoint
            )
            server.run(lambda: run_projector(projector))
        case ["redrive"]:
            parked = settings.load(RebuildSettings, env)
            telemetry.configure("catalog-redrive", parked.cinelog_mode)
            server.run(lambda: run_redrive(parked))
        case ["rebuild"] | ["rebuild", "--verify"]:
            rebuild = settings.load(RebuildSettings, env)
            telemetry.configure("catalog-rebuild", rebuild.cinelog_mode)
            server.run(lambda: run_rebuild(rebuild, swap=len(arguments) == 1))
        case _:
            raise settings.SettingsError(
                "say what to run: api, projector, redrive, rebuild or rebuild --verify"
            )


if __name__ == "__main__":
    settings.run(lambda: main(sys.argv[1:], os.environ))
