"""Wires ingest: ``python -m services.ingest.main``."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from litestar import Litestar
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.consumers import EVENTS, SCHEMA, hear_events
from services.ingest.handlers.direct import DirectUploads
from services.ingest.handlers.lifecycle import Lifecycle, Limits
from services.ingest.handlers.sweep import Sweep
from services.ingest.http.app import ingest_app
from services.ingest.metrics import UploadMetrics
from services.ingest.projections import DOOMED_CHANNEL, DoomedSources
from services.ingest.settings import IngestSettings
from services.ingest.uploads_repository import RELEASE_CHANNEL, PostgresUploads
from shared import settings, telemetry
from shared.blobs.disk_sync import optional_disk_sync
from shared.blobs.s3 import S3Store, s3_client
from shared.blobs.s3_metrics import S3Metrics
from shared.database.connect import create_engine
from shared.database.metrics import watch_engine
from shared.errors import CinelogError
from shared.event_store.leadership import leadership
from shared.event_store.listening import listen
from shared.event_store.postgres import open_event_store
from shared.event_store.projections.projection import ProjectionRunner
from shared.event_store.projections.projection_metrics import ProjectionMetrics
from shared.event_store.store import EventStore
from shared.http import server
from shared.http.identity import Verifier
from shared.http.metrics import create_registry
from shared.http.operator import operator_routes
from shared.messaging.broker import connected, create_broker
from shared.messaging.consuming import consume
from shared.messaging.metrics import MessageMetrics
from shared.telemetry import get_logger

LEADERSHIP = "ingest.background"
_RETRY_SECONDS = 1.0
_log = get_logger(__name__)


class Service:
    """The assembled parts: the application, and the work beside it."""

    def __init__(
        self,
        config: IngestSettings,
        engine: AsyncEngine,
        store: EventStore,
        sources: S3Store,
        registry: CollectorRegistry,
        *,
        signer: S3Store | None,
        verifier: Verifier,
    ) -> None:
        self._config = config
        self._engine = engine
        self._store = store
        self._sources = sources
        self._records = PostgresUploads(engine)
        self._projections = ProjectionMetrics(registry)
        self._messages = MessageMetrics(registry)
        metrics = UploadMetrics(registry)
        self.lifecycle = Lifecycle(
            store,
            self._records,
            sources,
            limits=Limits(
                max_bytes=config.max_upload_bytes,
                at_once=config.max_uploads_at_once,
                resumable_lifetime=config.upload_expiry_hours * 3600,
            ),
            observer=metrics,
        )
        metrics.watch_receiving(lambda: self.lifecycle.receiving)
        self.sweep = Sweep(self.lifecycle, orphan_age=timedelta(seconds=config.orphan_seconds))
        secret = config.operator_secret
        operators = operator_routes("ingest", secret, self.sweep.reconcile) if secret else None
        self.app: Litestar = ingest_app(
            self.lifecycle,
            DirectUploads(self.lifecycle, signer),
            verifier=verifier,
            checks={"postgres": store.head, "storage": sources.ping},
            registry=registry,
            others=[operators] if operators else [],
        )

    async def background(self) -> None:
        """Yield uploads that other processes ask for; lead the sweep or stand by. For ever."""
        wanted = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(listen(self._config.database_url, RELEASE_CHANNEL, wanted.set))
            group.create_task(self._yield_wanted(wanted))
            group.create_task(self._prepare_bucket())
            group.create_task(self._lead())

    async def _yield_wanted(self, wanted: asyncio.Event) -> None:
        while True:
            await wanted.wait()
            wanted.clear()
            try:
                await self.lifecycle.yield_wanted()
            except CinelogError as error:
                _log.warning("uploads not yielded", error=repr(error))

    async def _prepare_bucket(self) -> None:
        while True:
            try:
                return await self._sources.ensure_bucket()
            except CinelogError as error:
                _log.warning("waiting for the storage", error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _lead(self) -> None:
        while True:
            try:
                async with leadership(self._config.database_url, LEADERSHIP):
                    runner = ProjectionRunner(
                        self._engine,
                        self._store,
                        DoomedSources(),
                        SCHEMA,
                        metrics=self._projections,
                    )
                    doomed = asyncio.Event()
                    async with asyncio.TaskGroup() as group:
                        group.create_task(runner.run())
                        group.create_task(self._projections.follow(runner, self._store))
                        group.create_task(self._consume(runner))
                        group.create_task(
                            listen(self._config.database_url, DOOMED_CHANNEL, doomed.set)
                        )
                        group.create_task(self._sweep_forever(doomed))
            except Exception as error:
                _log.warning("ingest stands back", error=repr(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _consume(self, runner: ProjectionRunner) -> None:
        broker = create_broker(self._config.amqp_url)
        hear_events(broker, runner, self._messages)
        async with connected(broker):
            await consume(broker, EVENTS)

    async def _sweep_forever(self, doomed: asyncio.Event) -> None:
        while True:
            doomed.clear()
            try:
                await self.sweep.round()
            except CinelogError as error:
                _log.warning("sweep waits", error=repr(error))
            try:
                async with asyncio.timeout(self._config.sweep_seconds):
                    await doomed.wait()
            except TimeoutError:
                continue


@asynccontextmanager
async def assembled(
    config: IngestSettings, verifier: Verifier | None = None
) -> AsyncGenerator[Service]:
    """Everything that the service is, but not yet serving. ``verifier`` may be replaced."""
    async with AsyncExitStack() as stack:
        registry = create_registry(config.otel_exporter_otlp_endpoint)
        engine = create_engine(config.database_url, size=8)
        watch_engine(registry, engine)
        stack.push_async_callback(engine.dispose)
        store = await stack.enter_async_context(
            open_event_store(config.database_url, registry=registry)
        )
        s3_metrics = S3Metrics(registry)
        sources = await stack.enter_async_context(_bucket(config, config.s3_endpoint, s3_metrics))
        # Clients of a production system do not see the bucket's internal address.
        local = config.s3_endpoint if config.cinelog_mode == "local" else None
        public = config.s3_public_endpoint or local
        signer = public and await stack.enter_async_context(_bucket(config, public, s3_metrics))
        yield Service(
            config,
            engine,
            store,
            sources,
            registry,
            signer=signer or None,
            verifier=verifier
            or Verifier.from_url(
                config.jwks_url, issuer=config.jwt_issuer, audience=config.jwt_audience
            ),
        )


@asynccontextmanager
async def _bucket(
    config: IngestSettings, endpoint: str, metrics: S3Metrics
) -> AsyncGenerator[S3Store]:
    async with (
        s3_client(
            endpoint,
            config.s3_region,
            config.s3_access_key,
            config.s3_secret_key,
            connections=2 * config.max_uploads_at_once,
            metrics=metrics,
        ) as client,
        optional_disk_sync(config.s3_sync_url) as flush,
    ):
        yield S3Store(client, config.s3_sources_bucket, flush)


async def run(config: IngestSettings) -> None:
    """Serve until SIGTERM or SIGINT; uploads under way get the time to end well."""
    async with assembled(config) as service:
        background = asyncio.create_task(service.background())
        try:
            async with server.serving(service.app, config.bind):
                await server.stop_on_signals().wait()
        finally:
            background.cancel()
            await asyncio.gather(background, return_exceptions=True)


def main() -> None:
    """Read the settings, then run."""
    config = settings.load(IngestSettings, os.environ)
    telemetry.configure("ingest", config.cinelog_mode, config.otel_exporter_otlp_endpoint)
    server.run(lambda: run(config))


if __name__ == "__main__":
    settings.run(main)
