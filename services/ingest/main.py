"""Wires ingest and runs it: ``python -m services.ingest.main [rebuild|redrive] [usage]``.

``rebuild`` rebuilds the pending deletions, or what accounts use, from the log; ``redrive`` applies
parked events again.
"""

import asyncio
import os
import sys
from dataclasses import dataclass
from datetime import timedelta

from litestar import Litestar
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.consumers import EVENTS, SCHEMA, consume_events
from services.ingest.handlers.concatenation import Concatenation
from services.ingest.handlers.direct import DirectUploads
from services.ingest.handlers.form_upload import FormUploads
from services.ingest.handlers.limits import Limits
from services.ingest.handlers.open_uploads import OpenUploadsHandler
from services.ingest.handlers.resumable import Resumable
from services.ingest.handlers.steps import UploadSteps
from services.ingest.handlers.sweep import Sweep
from services.ingest.handlers.upload_completer import UploadCompleter
from services.ingest.handlers.upload_ender import UploadEnder
from services.ingest.handlers.upload_events import UploadEvents
from services.ingest.handlers.upload_finisher import UploadFinisher
from services.ingest.handlers.upload_slots import UploadSlots
from services.ingest.handlers.upload_starter import UploadStarter
from services.ingest.handlers.upload_writers import UploadWriters
from services.ingest.http.app import ingest_app
from services.ingest.metrics import UploadMetrics
from services.ingest.open_uploads_repository import OpenUploadsRepository
from services.ingest.projections import DELETION_CHANNEL, REPLAYED_TABLES, PendingDeletions
from services.ingest.settings import IngestSettings, RebuildSettings
from services.ingest.sweep_repository import SweepRepository
from services.ingest.tables import uploads as uploads_table
from services.ingest.uploads_repository import RELEASE_CHANNEL, UploadsRepository
from services.ingest.usage_projection import REPLAYED_TABLES as USAGE_TABLES
from services.ingest.usage_projection import StoredUsage
from services.ingest.usage_repository import UsageRepository
from shared import settings
from shared.blobs.s3 import S3Store
from shared.blobs.s3_metrics import S3Metrics
from shared.event_store.projections.projection import ProjectionRunner
from shared.event_store.projections.projection_metrics import ProjectionMetrics
from shared.event_store.projections.replay import Replayable
from shared.event_store.store import EventStore
from shared.host.buckets import open_s3
from shared.host.entry import Command, Role, run_entry
from shared.host.host import Host, Process, Served
from shared.host.projection_commands import rebuild, redrive_parked
from shared.http.identity import Verifier
from shared.http.operator import operator_routes
from shared.http.sessions import Sessions
from shared.loops.items import ItemMetrics
from shared.loops.leaders import Leader
from shared.loops.listening import listen
from shared.loops.loops import Loops
from shared.loops.progress import LoopProgress
from shared.messaging.broker import connected, create_broker
from shared.messaging.consuming import consume
from shared.messaging.metrics import MessageMetrics
from shared.reconciliation import Part

_CONNECTIONS = 8
# A lost notification delays the release of an upload by this much.
_RELEASE_POLL_SECONDS = 5.0
_BUCKET_SECONDS = 3600.0
# A sweep may wait for the storage to join the parts of one large upload.
_SWEEP_SILENCE_SECONDS = 900.0
SWEEP = "sweep"


@dataclass(frozen=True)
class Ingest:
    """The assembled parts of the service."""

    engine: AsyncEngine
    log: EventStore
    sources: S3Store
    uploads: UploadsRepository
    events: UploadEvents
    steps: UploadSteps
    sweep: Sweep
    app: Litestar


async def assemble(
    config: IngestSettings, host: Host, *, verifier: Verifier | None = None
) -> Ingest:
    """Everything that serves and works. Tests bring a verifier."""
    engine = await host.engine(config.database_url, size=_CONNECTIONS)
    log = await host.log(config.database_url)
    sources, signer = await _open_buckets(config, host)
    deleted_for = timedelta(hours=config.deleted_video_hours)
    usage = UsageRepository(engine, config.quotas, deleted_for)
    uploads = UploadsRepository(engine, usage)
    limits = Limits(
        max_bytes=config.max_upload_bytes,
        at_once=config.max_uploads_at_once,
        per_user=config.max_uploads_per_user,
        min_bytes_per_second=config.upload_min_bytes_per_second,
        slow_seconds=config.upload_slow_seconds,
        resumable_lifetime=config.upload_expiry_hours * 3600,
    )
    metrics = UploadMetrics(host.registry)
    events = UploadEvents(log, metrics)
    slots = UploadSlots(limits, metrics)
    metrics.watch(lambda: slots.receiving, lambda: slots.waiting)
    writers = UploadWriters(uploads, sources, limits, metrics)
    completer = UploadCompleter(uploads, sources, events)
    ender = UploadEnder(uploads, sources, events)
    steps = UploadSteps(
        slots,
        UploadStarter(uploads, events, limits),
        writers,
        completer,
        ender,
        UploadFinisher(writers, completer, ender),
    )
    sweep = Sweep(
        steps,
        events,
        SweepRepository(engine, deleted_for),
        sources,
        metrics=ItemMetrics(host.registry),
        orphan_age=timedelta(seconds=config.orphan_seconds),
        deletion_delay=timedelta(hours=config.deletion_delay_hours),
        advanced=lambda: host.loops.progress.advance(SWEEP),
    )
    secret = config.operator_secret

    async def reconcile(dry_run: bool, _after: str) -> Part:
        return Part(findings=tuple(await sweep.reconcile(dry_run)))

    app = ingest_app(
        FormUploads(steps, uploads, limits),
        Resumable(steps, Concatenation(steps, uploads, sources), uploads, limits),
        DirectUploads(steps, uploads, sources, signer, limits),
        OpenUploadsHandler(OpenUploadsRepository(engine), uploads, steps.starter),
        usage,
        verifier=verifier
        or host.verifier(config.jwks_url, issuer=config.jwt_issuer, audience=config.jwt_audience),
        sessions=Sessions(log),
        checks={"postgres": log.head, "storage": sources.ping},
        registry=host.registry,
        progress=host.loops.progress,
        others=[operator_routes("ingest", secret, reconcile)] if secret else [],
    )
    return Ingest(engine, log, sources, uploads, events, steps, sweep, app)


async def _open_buckets(config: IngestSettings, host: Host) -> tuple[S3Store, S3Store | None]:
    """The bucket of sources, and the same as clients address it, where they can reach it."""
    metrics = S3Metrics(host.registry)

    async def opened(endpoint: str) -> S3Store:
        bucket = await open_s3(
            host,
            endpoint,
            config.s3_region,
            config.s3_access_key,
            config.s3_secret_key,
            connections=2 * config.max_uploads_at_once,
            sync_url=config.s3_sync_url,
            metrics=metrics,
        )
        return bucket(config.s3_sources_bucket)

    # Clients of a production system do not reach the bucket's internal address.
    local = config.s3_endpoint if config.cinelog_mode == "local" else None
    public = config.s3_public_endpoint or local
    return await opened(config.s3_endpoint), await opened(public) if public else None


async def compose(config: IngestSettings, host: Host) -> Process:
    """Receives uploads; while it leads, projects events and sweeps."""
    return process_of(await assemble(config, host), config, host)


def process_of(ingest: Ingest, config: IngestSettings, host: Host) -> Process:
    """The process that the parts make."""
    url, loops = config.database_url, host.loops
    requested = asyncio.Event()
    background = _Background(ingest, config, loops, host.registry)
    return Process(
        servers=[Served(ingest.app, config.bind)],
        work={
            "release requests": lambda: listen(
                loops, "release requests", url, RELEASE_CHANNEL, requested.set
            ),
            "releases": lambda: loops.repeat(
                "release uploads",
                ingest.steps.writers.release_requested,
                _RELEASE_POLL_SECONDS,
                wake=requested,
            ),
            "bucket": lambda: loops.repeat(
                "ensure the bucket", ingest.sources.ensure_bucket, _BUCKET_SECONDS
            ),
            "background": lambda: loops.lead(Leader.INGEST, url, background.run),
        },
    )


class _Background:
    """The work of the leader: deletions and sweeps."""

    def __init__(
        self, ingest: Ingest, config: IngestSettings, loops: Loops, registry: CollectorRegistry
    ) -> None:
        self._ingest = ingest
        self._config = config
        self._loops = loops
        self._projections = ProjectionMetrics(registry)
        self._messages = MessageMetrics(registry)

    async def run(self, _lock: object) -> None:
        ingest, loops = self._ingest, self._loops
        runner = ProjectionRunner(
            ingest.engine,
            ingest.log,
            PendingDeletions(timedelta(hours=self._config.deleted_video_hours)),
            SCHEMA,
            metrics=self._projections,
            loops=loops,
        )
        usage = ProjectionRunner(
            ingest.engine,
            ingest.log,
            StoredUsage(),
            SCHEMA,
            metrics=self._projections,
            loops=loops,
        )
        url, deletions = self._config.database_url, asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(runner.run())
            group.create_task(usage.run())
            group.create_task(
                loops.persist("consume events", lambda progress: self._consume(runner, progress))
            )
            group.create_task(listen(loops, "deletions", url, DELETION_CHANNEL, deletions.set))
            group.create_task(
                loops.repeat(
                    SWEEP,
                    ingest.sweep.round,
                    self._config.sweep_seconds,
                    wake=deletions,
                    silence_seconds=_SWEEP_SILENCE_SECONDS,
                )
            )

    async def _consume(self, runner: ProjectionRunner, progress: LoopProgress) -> None:
        broker = create_broker(self._config.amqp_url)
        consume_events(broker, runner, self._messages)
        async with connected(broker, alive=progress.came_round):
            await consume(broker, EVENTS, alive=progress.came_round)


DELETIONS = Replayable(
    PendingDeletions(), SCHEMA, REPLAYED_TABLES, Leader.INGEST, others=(uploads_table,)
)
"""Rebuilt, the sources of all deleted videos are deleted again, which changes nothing where they
are gone. Uploads are not in the log and stay."""

USAGE = Replayable(StoredUsage(), SCHEMA, USAGE_TABLES, Leader.INGEST)


def _commands(name: str, what: Replayable) -> dict[str, Command[RebuildSettings]]:
    """``redrive``, ``rebuild`` and ``rebuild --verify`` of a projection."""

    async def redrive_events(config: RebuildSettings) -> None:
        await redrive_parked(config.database_admin_url, what.projection, SCHEMA)

    async def rebuild_tables(config: RebuildSettings) -> None:
        await rebuild(config.database_admin_url, what, swap=True)

    async def verify_tables(config: RebuildSettings) -> None:
        await rebuild(config.database_admin_url, what, swap=False)

    return {
        f"redrive{name}": Command("ingest-redrive", RebuildSettings, redrive_events),
        f"rebuild{name}": Command("ingest-rebuild", RebuildSettings, rebuild_tables),
        f"rebuild{name} --verify": Command("ingest-rebuild", RebuildSettings, verify_tables),
    }


ENTRIES = {
    "": Role("ingest", IngestSettings, compose),
    **_commands("", DELETIONS),
    **_commands(" usage", USAGE),
}

if __name__ == "__main__":
    settings.run(lambda: run_entry(ENTRIES, sys.argv[1:], os.environ))
