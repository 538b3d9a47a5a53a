"""Wires the transcoder: ``python -m services.transcoder.main {planner|worker|rebuild|redrive}``.

``planner`` is the coordinator process; it is named after the first thing that it did. ``rebuild``
replaces jobs and tasks by those that the log leads to; ``rebuild --verify`` only reports the rows
that differ. ``redrive`` applies parked events again.
"""

import asyncio
import os
import secrets
import socket
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.consumers import QUEUES, RabbitTaskQueue, take_tasks
from services.transcoder.coordinator.coordinator import Coordinator
from services.transcoder.coordinator.deletion_repository import Delays, DeletionRepository
from services.transcoder.coordinator.metrics import CoordinatorMetrics
from services.transcoder.coordinator.reconcile_repository import ReconcileRepository
from services.transcoder.coordinator.reconciling import Reconciliation
from services.transcoder.coordinator.scrub_loop import SCRUB, SCRUB_SECONDS, ScrubLoop, ScrubPlan
from services.transcoder.coordinator.scrub_repository import ScrubRepository
from services.transcoder.coordinator.scrubbing import Scrubber
from services.transcoder.encoding.scratch import open_scratch
from services.transcoder.encoding.source_reader import SourceReader
from services.transcoder.encoding.source_relay import SourceRelay
from services.transcoder.http import job_routes, operator_job_routes
from services.transcoder.jobs.jobs import JobRepository
from services.transcoder.jobs.retries import RetryBudget, RetryLimits
from services.transcoder.projections import REPLAYED_TABLES, SCHEMA, JobProjection
from services.transcoder.scheduler.dispatcher import Dispatcher
from services.transcoder.scheduler.leases import Leases
from services.transcoder.settings import (
    CoordinatorSettings,
    RebuildSettings,
    TranscoderSettings,
    WorkerSettings,
)
from services.transcoder.worker.context import Tools, WorkerContext
from services.transcoder.worker.metrics import WorkerMetrics
from services.transcoder.worker.worker import HEARTBEAT_SECONDS, Worker
from shared import settings
from shared.blobs.s3 import S3Store
from shared.event_store.projections.checkpoint_watcher import watch_checkpoint
from shared.event_store.projections.projection import ProjectionRunner
from shared.event_store.projections.projection_metrics import ProjectionMetrics
from shared.event_store.projections.replay import Replayable
from shared.host.buckets import open_s3
from shared.host.entry import Command, Role, run_entry
from shared.host.host import Host, Process, Served
from shared.host.projection_commands import rebuild, redrive_parked
from shared.http.app import create_app
from shared.http.sessions import Sessions
from shared.loops.leaders import Leader
from shared.loops.listening import listen
from shared.loops.progress import LoopProgress
from shared.messaging.broker import connected, create_broker
from shared.messaging.consuming import consume
from shared.messaging.inbox import subscribe
from shared.messaging.metrics import MessageMetrics
from shared.messaging.topology import declare, projection_queue
from shared.programs.confinement import layers, protect_memory
from shared.programs.container_memory import memory_of_one_run, memory_of_runs
from shared.programs.finding import find_ffmpeg, find_ffprobe

_EVENTS = projection_queue(SCHEMA, JobProjection.name)


async def compose_planner(config: CoordinatorSettings, host: Host) -> Process:
    """Serves the job routes; while it leads, projects events and coordinates the workers."""
    url = config.database_url
    engine = await host.engine(url, size=8)
    log = await host.log(url)
    watcher = await host.stack.enter_async_context(
        watch_checkpoint(host.loops, url, log, SCHEMA, JobProjection.name)
    )
    bucket = await _open_s3(config, host)
    media = bucket(config.s3_media_bucket)
    jobs = JobRepository(engine)
    metrics = CoordinatorMetrics(engine, host.registry)
    scrubs = ScrubRepository(engine)
    scrubber = Scrubber(scrubs, log, media, bucket(config.s3_sources_bucket), metrics.scrub)
    pause = timedelta(days=config.scrub_days)
    plan = ScrubPlan(config.scrub_bytes_per_second, pause, look=timedelta(minutes=1))
    advanced = partial(host.loops.progress.advance, SCRUB)
    scrub = ScrubLoop(scrubber, scrubs, plan, metrics, advanced=advanced)
    deletions = _deletions(config, engine)
    coordinator = Coordinator(
        jobs, Dispatcher(engine), log, media, deletions, metrics=metrics, loops=host.loops
    )
    projections, messages = ProjectionMetrics(host.registry), MessageMetrics(host.registry)

    async def coordinate(_lock: object) -> None:
        await media.ensure_bucket()
        runner = ProjectionRunner(
            engine, log, JobProjection(), SCHEMA, metrics=projections, loops=host.loops
        )

        async def exchange(progress: LoopProgress) -> None:
            await exchange_messages(config, runner, coordinator, messages, progress)

        async with asyncio.TaskGroup() as group:
            group.create_task(runner.run())
            group.create_task(listen(host.loops, "jobs", url, runner.name, coordinator.wake))
            group.create_task(coordinator.run())
            group.create_task(host.loops.repeat(SCRUB, scrub.round, SCRUB_SECONDS))
            group.create_task(host.loops.persist("exchange messages", exchange))

    reconciliation = Reconciliation(
        ReconcileRepository(engine), log, media, deletions, timedelta(seconds=config.orphan_seconds)
    )
    secret = config.operator_secret
    operators = [operator_job_routes(secret, jobs, log, reconciliation, scrubber)] if secret else []
    app = create_app(
        "transcoder",
        [*job_routes(jobs, log, watcher, RetryBudget(engine, _retries(config))), *operators],
        checks={"postgres": jobs.ping, "storage": media.ping},
        verifier=host.verifier(
            config.jwks_url, issuer=config.jwt_issuer, audience=config.jwt_audience
        ),
        sessions=Sessions(log),
        registry=host.registry,
        progress=host.loops.progress,
    )
    return Process(
        servers=[Served(app, config.bind)],
        work={"coordinator": lambda: host.loops.lead(Leader.COORDINATOR, url, coordinate)},
    )


def _retries(config: CoordinatorSettings) -> RetryLimits:
    return RetryLimits(
        of_video=config.max_retries_per_video,
        retries=config.max_retries_per_day,
        minutes=config.max_retry_minutes,
    )


def _deletions(config: CoordinatorSettings, engine: AsyncEngine) -> DeletionRepository:
    delays = Delays(
        deleted=timedelta(hours=config.deleted_video_hours),
        others=timedelta(hours=config.deletion_delay_hours),
    )
    return DeletionRepository(engine, delays)


async def exchange_messages(
    config: CoordinatorSettings,
    runner: ProjectionRunner,
    coordinator: Coordinator,
    metrics: MessageMetrics,
    progress: LoopProgress,
) -> None:
    """Over one connection to the broker: take events for the projection, send tasks to workers."""
    broker = create_broker(config.amqp_url)
    subscribe(broker, _EVENTS, runner, metrics)
    async with connected(broker, alive=progress.came_round):
        await declare(broker, *QUEUES.values())
        async with asyncio.TaskGroup() as group:
            group.create_task(consume(broker, _EVENTS, alive=progress.came_round))
            group.create_task(coordinator.dispatch(RabbitTaskQueue(broker, metrics)))


async def _open_s3(config: TranscoderSettings, host: Host) -> Callable[[str], S3Store]:
    return await open_s3(
        host,
        config.s3_endpoint,
        config.s3_region,
        config.s3_access_key,
        config.s3_secret_key,
        sync_url=config.s3_sync_url,
    )


async def compose_worker(config: WorkerSettings, host: Host) -> Process:
    """Performs tasks; at a stop it finishes them within ``drain_seconds`` or gives them back."""
    protect_memory()
    engine = await host.engine(config.database_url, size=4)
    log = await host.log(config.database_url, connections=4)
    bucket = await _open_s3(config, host)
    media = bucket(config.s3_media_bucket)
    relay = await host.stack.enter_async_context(SourceRelay().serving())
    context = WorkerContext(
        name=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}",
        tools=Tools(
            ffmpeg=find_ffmpeg(config.ffmpeg),
            ffprobe=find_ffprobe(config.ffprobe),
            preset=config.x264_preset,
            extra_codecs=config.extra_codecs,
            hdr_codecs=config.hdr_codecs,
            hdr_on_request=None if config.hdr_on_request == "never" else config.hdr_on_request,
            threads=config.worker_threads,
            memory_bytes=config.worker_memory_bytes or memory_of_one_run(),
            shared_bytes=memory_of_runs(),
        ),
        sources=SourceReader(bucket(config.s3_sources_bucket), media, relay),
        media=media,
        store=log,
    )
    scratch = host.stack.enter_context(
        open_scratch(Path(config.scratch_dir), context.name, config.scratch_reserve_bytes)
    )
    metrics = WorkerMetrics(host.registry)
    metrics.watch_scratch(scratch)
    metrics.watch_sandbox(layers())
    beats = Leases(await host.engine(config.database_url, size=1, quick=True))
    worker = Worker(context, Leases(engine), scratch, metrics, config.worker_slots, beats=beats)
    messages = MessageMetrics(host.registry)

    async def take(progress: LoopProgress) -> None:
        broker = create_broker(config.amqp_url)
        take_tasks(broker, worker, config.worker_slots, messages)
        async with connected(broker, alive=progress.came_round):
            await consume(broker, *QUEUES.values(), alive=progress.came_round)

    app = create_app(
        "transcoder-worker",
        [],
        checks={"postgres": log.head, "storage": media.ping},
        registry=host.registry,
        progress=host.loops.progress,
    )
    return Process(
        servers=[Served(app, config.metrics_bind)],
        work={
            "tasks": lambda: host.loops.persist("take tasks", take),
            "heartbeat": lambda: host.loops.repeat(
                "heartbeat", worker.heartbeat, HEARTBEAT_SECONDS
            ),
        },
        drain=lambda: worker.drain(config.drain_seconds),
    )


REPLAYED = Replayable(JobProjection(), SCHEMA, REPLAYED_TABLES, Leader.COORDINATOR)


async def redrive_jobs(config: RebuildSettings) -> None:
    """Apply parked events again."""
    await redrive_parked(config.database_admin_url, REPLAYED.projection, SCHEMA)


async def rebuild_jobs(config: RebuildSettings) -> None:
    """Rebuild jobs and tasks from the log. Tasks that were running wait again."""
    await rebuild(config.database_admin_url, REPLAYED, swap=True)


async def verify_jobs(config: RebuildSettings) -> None:
    """Only report which rows differ."""
    await rebuild(config.database_admin_url, REPLAYED, swap=False)


ENTRIES = {
    "planner": Role("transcoder", CoordinatorSettings, compose_planner),
    "worker": Role("transcoder-worker", WorkerSettings, compose_worker),
    "redrive": Command("transcoder-redrive", RebuildSettings, redrive_jobs),
    "rebuild": Command("transcoder-rebuild", RebuildSettings, rebuild_jobs),
    "rebuild --verify": Command("transcoder-rebuild", RebuildSettings, verify_jobs),
}

if __name__ == "__main__":
    settings.run(lambda: run_entry(ENTRIES, sys.argv[1:], os.environ))
