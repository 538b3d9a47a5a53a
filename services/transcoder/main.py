"""Wires the transcoder: ``python -m services.transcoder.main {planner|worker}``."""

import asyncio
import os
import secrets
import socket
import sys
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

from litestar import Litestar
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.consumers import QUEUES, RabbitTaskQueue, take_tasks
from services.transcoder.coordinator.coordinator import Coordinator, CoordinatorMetrics
from services.transcoder.coordinator.reconcile_repository import ReconcileRepository
from services.transcoder.coordinator.reconciling import Reconciliation
from services.transcoder.encoding.programs import find_ffmpeg, find_ffprobe
from services.transcoder.encoding.scratch import open_scratch
from services.transcoder.encoding.source_reader import SourceReader
from services.transcoder.http import job_routes, operator_job_routes
from services.transcoder.jobs import JobRepository
from services.transcoder.projections import JobProjection
from services.transcoder.scheduler import Scheduler
from services.transcoder.settings import CoordinatorSettings, WorkerSettings
from services.transcoder.worker.context import Tools, WorkerContext
from services.transcoder.worker.worker import Worker, WorkerMetrics
from shared import settings, telemetry
from shared.blobs.disk_sync import optional_disk_sync
from shared.blobs.s3 import S3Store, s3_client
from shared.blobs.s3_metrics import S3Metrics
from shared.database.connect import create_engine
from shared.database.metrics import watch_engine
from shared.event_store.leadership import leadership
from shared.event_store.listening import listen
from shared.event_store.postgres import open_event_store
from shared.event_store.projections.checkpoint_watcher import watch_checkpoint
from shared.event_store.projections.projection import ProjectionRunner
from shared.event_store.projections.projection_metrics import ProjectionMetrics
from shared.event_store.store import EventStore
from shared.http import server
from shared.http.app import create_app
from shared.http.identity import Verifier
from shared.http.metrics import create_registry
from shared.messaging.broker import connected, create_broker
from shared.messaging.consuming import consume
from shared.messaging.inbox import subscribe
from shared.messaging.metrics import MessageMetrics
from shared.messaging.topology import declare, projection_queue
from shared.telemetry import get_logger

SCHEMA = "transcoder"
LEADERSHIP = "transcoder.planner"
_RETRY_SECONDS = 1.0
_EVENTS = projection_queue(SCHEMA, JobProjection.name)

Watches = tuple[ProjectionMetrics, MessageMetrics]


async def run_planner(config: CoordinatorSettings) -> None:
    """Serve the job routes, and lead or stand by, until SIGTERM or SIGINT."""
    registry = create_registry(config.otel_exporter_otlp_endpoint)
    async with AsyncExitStack() as stack:
        engine = create_engine(config.database_url, size=8)
        watch_engine(registry, engine)
        stack.push_async_callback(engine.dispose)
        store = await stack.enter_async_context(
            open_event_store(config.database_url, registry=registry)
        )
        watcher = await stack.enter_async_context(
            watch_checkpoint(config.database_url, store, SCHEMA, JobProjection.name)
        )
        client = await stack.enter_async_context(
            s3_client(
                config.s3_endpoint,
                config.s3_region,
                config.s3_access_key,
                config.s3_secret_key,
                metrics=S3Metrics(registry),
            )
        )
        flush = await stack.enter_async_context(optional_disk_sync(config.s3_sync_url))
        media = S3Store(client, config.s3_media_bucket, flush)
        jobs = JobRepository(engine)
        coordinator = Coordinator(
            jobs, Scheduler(engine), store, media, CoordinatorMetrics(engine, registry)
        )
        watches = ProjectionMetrics(registry), MessageMetrics(registry)
        reconciliation = Reconciliation(
            ReconcileRepository(engine), store, media, timedelta(seconds=config.orphan_seconds)
        )
        secret = config.operator_secret
        operators = operator_job_routes(secret, jobs, store, reconciliation) if secret else None
        app: Litestar = create_app(
            "transcoder",
            [*job_routes(jobs, store, watcher), *([operators] if operators else [])],
            checks={"postgres": jobs.ping, "storage": media.ping},
            verifier=Verifier.from_url(
                config.jwks_url, issuer=config.jwt_issuer, audience=config.jwt_audience
            ),
            registry=registry,
        )
        await stack.enter_async_context(server.serving(app, config.bind))
        stop = server.stop_on_signals()
        leading = asyncio.create_task(
            lead(config, engine, store, media, coordinator, watches=watches)
        )
        await stop.wait()
        leading.cancel()
        await asyncio.gather(leading, return_exceptions=True)


async def lead(
    config: CoordinatorSettings,
    engine: AsyncEngine,
    store: EventStore,
    media: S3Store,
    coordinator: Coordinator,
    *,
    watches: Watches,
) -> None:
    """Plan whenever this process leads, for ever: a lost connection only costs the lead."""
    log = get_logger(__name__)
    while True:
        try:
            async with leadership(config.database_url, LEADERSHIP):
                log.info("planner leads")
                await media.ensure_bucket()
                await plan(config, engine, store, coordinator, watches)
        except Exception as error:
            log.warning("planner stands back", error=repr(error))
            await asyncio.sleep(_RETRY_SECONDS)


async def plan(
    config: CoordinatorSettings,
    engine: AsyncEngine,
    store: EventStore,
    coordinator: Coordinator,
    watches: Watches,
) -> None:
    """Project, hand out, publish; with the broker away, project all the same."""
    projections, messages = watches
    runner = ProjectionRunner(engine, store, JobProjection(), SCHEMA, metrics=projections)
    broker = create_broker(config.amqp_url)
    subscribe(broker, _EVENTS, runner, messages)

    async def with_broker() -> None:
        async with connected(broker):
            await declare(broker, *QUEUES.values())
            async with asyncio.TaskGroup() as group:
                group.create_task(consume(broker, _EVENTS))
                group.create_task(coordinator.run(RabbitTaskQueue(broker, messages)))

    async with asyncio.TaskGroup() as group:
        group.create_task(runner.run())
        group.create_task(projections.follow(runner, store))
        group.create_task(listen(config.database_url, runner.name, coordinator.wake))
        group.create_task(with_broker())


async def run_worker(config: WorkerSettings) -> None:
    """Work until SIGTERM or SIGINT, then finish or give back what is under way."""
    registry = create_registry(config.otel_exporter_otlp_endpoint)
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    tools = Tools(
        ffmpeg=find_ffmpeg(config.ffmpeg),
        ffprobe=find_ffprobe(config.ffprobe),
        preset=config.x264_preset,
        extra_codecs=config.extra_codecs,
        threads=config.worker_threads,
        memory_bytes=config.worker_memory_bytes,
    )
    async with AsyncExitStack() as stack:
        engine = create_engine(config.database_url, size=4)
        watch_engine(registry, engine)
        stack.push_async_callback(engine.dispose)
        store = await stack.enter_async_context(
            open_event_store(config.database_url, connections=4, registry=registry)
        )
        client = await stack.enter_async_context(
            s3_client(
                config.s3_endpoint,
                config.s3_region,
                config.s3_access_key,
                config.s3_secret_key,
                metrics=S3Metrics(registry),
            )
        )
        flush = await stack.enter_async_context(optional_disk_sync(config.s3_sync_url))
        context = WorkerContext(
            name=name,
            tools=tools,
            sources=SourceReader(
                S3Store(client, config.s3_sources_bucket, flush),
                S3Store(client, config.s3_media_bucket, flush),
            ),
            media=S3Store(client, config.s3_media_bucket, flush),
            store=store,
        )
        scratch = stack.enter_context(
            open_scratch(Path(config.scratch_dir), name, config.scratch_reserve_bytes)
        )
        metrics = WorkerMetrics(registry)
        metrics.watch_scratch(scratch)
        worker = Worker(context, Scheduler(engine), scratch, metrics, config.worker_slots)
        app = create_app(
            "transcoder-worker",
            [],
            checks={"postgres": store.head, "storage": context.media.ping},
            registry=registry,
        )
        await stack.enter_async_context(server.serving(app, config.metrics_bind))
        stop = server.stop_on_signals()
        working = asyncio.create_task(work(config, worker, MessageMetrics(registry)))
        showing = asyncio.create_task(worker.show())
        await stop.wait()
        await worker.drain(config.drain_seconds)
        for task in (working, showing):
            task.cancel()
        await asyncio.gather(working, showing, return_exceptions=True)


async def work(config: WorkerSettings, worker: Worker, watch: MessageMetrics) -> None:
    """Take tasks from the queues for as long as it is not cancelled."""
    log = get_logger(__name__)
    while True:
        broker = create_broker(config.amqp_url)
        take_tasks(broker, worker, config.worker_slots, watch)
        try:
            async with connected(broker):
                await consume(broker, *QUEUES.values())
        except Exception as error:
            log.warning("worker waits", error=repr(error))
            await asyncio.sleep(_RETRY_SECONDS)


def main() -> None:
    """Read the settings, then run the process that the argument names."""
    role = sys.argv[1] if len(sys.argv) == 2 else ""
    if role == "planner":
        planner = settings.load(CoordinatorSettings, os.environ)
        telemetry.configure("transcoder", planner.cinelog_mode, planner.otel_exporter_otlp_endpoint)
        server.run(lambda: run_planner(planner))
    elif role == "worker":
        worker = settings.load(WorkerSettings, os.environ)
        telemetry.configure(
            "transcoder-worker", worker.cinelog_mode, worker.otel_exporter_otlp_endpoint
        )
        server.run(lambda: run_worker(worker))
    else:
        raise settings.SettingsError("say which: planner or worker")


if __name__ == "__main__":
    settings.run(main)
