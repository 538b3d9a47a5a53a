"""Wires the reconciler and the command line.

``python -m services.operator.main reconciler`` runs the process; anything else is a command, see
``--help``.
"""

import os
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from services.operator.backup_metrics import ROUND_SECONDS, BackupMetrics
from services.operator.backups.making import Source
from services.operator.backups.sealing import Sealer, parse_key
from services.operator.backups.targets import BucketTarget, FolderTarget
from services.operator.commands import command_line
from services.operator.commands import run as run_command
from services.operator.disk_sync import FolderSync, sync_route
from services.operator.output import Output
from services.operator.reconciler import Reconciler, ReconcilerMetrics
from services.operator.services import open_services
from services.operator.settings import (
    BackupSettings,
    BackupTargetSettings,
    BucketSettings,
    DiskSyncSettings,
    OperatorSettings,
    ReconcilerSettings,
    RestoreSettings,
    RestoreTestSettings,
)
from services.operator.tools import BackupTools, Failed, Installation, Scratch, Tools, Vault
from shared import settings
from shared.blobs.disk_sync import optional_disk_sync
from shared.blobs.s3 import S3Store, s3_client
from shared.blobs.store import BlobStore
from shared.database.connect import create_engine
from shared.event_store.postgres import open_event_store
from shared.host.entry import Role, run_entry
from shared.host.host import Host, Process, Served
from shared.http.app import create_app
from shared.loops.leaders import Leader


async def compose_reconciler(config: ReconcilerSettings, host: Host) -> Process:
    """Asks every service to reconcile, while it leads."""
    services = await host.stack.enter_async_context(
        open_services(config.upstream_ingest, config.upstream_transcoder, config.operator_secret)
    )
    reconciler = Reconciler(
        services, ReconcilerMetrics(host.registry), host.loops, config.reconcile_seconds
    )

    backups = BackupMetrics(
        host.registry,
        config.database_url,
        {
            "backup": config.backup_max_age_hours,
            "restore_test": config.restore_test_max_age_hours,
        },
    )

    async def database() -> None:
        connection = await asyncpg.connect(config.database_url, timeout=5)
        await connection.close()

    app = create_app(
        "reconciler",
        [],
        checks={"postgres": database},
        registry=host.registry,
        progress=host.loops.progress,
    )
    return Process(
        servers=[Served(app, config.metrics_bind)],
        work={
            "reconciler": lambda: host.loops.lead(
                Leader.RECONCILER, config.database_url, reconciler.run
            ),
            "backup metrics": lambda: host.loops.repeat(
                "backup metrics", backups.read, ROUND_SECONDS
            ),
        },
    )


async def compose_disk_sync(config: DiskSyncSettings, host: Host) -> Process:
    """Writes the bundled storage's files to disk on request."""
    folder = FolderSync(Path(config.sync_folder))
    host.stack.callback(folder.close)
    route = sync_route(folder, config.s3_secret_key, host.registry)
    app = create_app("disk-sync", [route], registry=host.registry)
    return Process(servers=[Served(app, config.metrics_bind)])


def tools(config: OperatorSettings, output: Output) -> Tools:
    """The parts that commands may open."""

    @asynccontextmanager
    async def connect() -> AsyncGenerator[Any]:
        connection = await asyncpg.connect(config.database_admin_url, timeout=10)
        try:
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def engine() -> AsyncGenerator[AsyncEngine]:
        made = create_engine(config.database_admin_url, size=2, answer_seconds=None)
        try:
            yield made
        finally:
            await made.dispose()

    @asynccontextmanager
    async def archive() -> AsyncGenerator[S3Store]:
        name, endpoint = config.s3_archive_bucket, config.s3_endpoint
        if not (name and endpoint):
            raise Failed("S3_ARCHIVE_BUCKET or S3_ENDPOINT is not set.")
        async with s3_client(
            endpoint, config.s3_region, config.s3_access_key, config.s3_secret_key
        ) as client:
            yield S3Store(client, name)

    return Tools(
        output=output,
        connect=connect,
        engine=engine,
        store=lambda: open_event_store(config.database_admin_url, connections=2),
        services=lambda: open_services(
            config.upstream_ingest,
            config.upstream_transcoder,
            config.operator_secret,
            live=config.upstream_live,
        ),
        archive=archive,
        amqp_url=config.amqp_url,
        environment=os.environ,
    )


def backup_tools(environment: Mapping[str, str], output: Output) -> BackupTools:
    """The parts that the commands of backups may open. Raises SettingsError when one is opened."""

    @asynccontextmanager
    async def vault() -> AsyncGenerator[Vault]:
        config = settings.load(BackupTargetSettings, environment)
        sealer = Sealer(parse_key(config.backup_key))
        if not config.backup_target.startswith("s3://"):
            yield Vault(FolderTarget(Path(config.backup_target)), sealer)
            return
        bucket, _, prefix = config.backup_target.removeprefix("s3://").partition("/")
        async with s3_client(
            config.backup_s3_endpoint,
            config.backup_s3_region,
            config.backup_s3_access_key,
            config.backup_s3_secret_key,
        ) as client:
            yield Vault(BucketTarget(S3Store(client, bucket), prefix), sealer)

    @asynccontextmanager
    async def source() -> AsyncGenerator[Source]:
        config = settings.load(BackupSettings, environment)
        async with _buckets(config) as buckets:
            yield Source(config.database_url, buckets)

    @asynccontextmanager
    async def installation() -> AsyncGenerator[Installation]:
        config = settings.load(RestoreSettings, environment)
        async with (
            _buckets(config) as buckets,
            optional_disk_sync(config.s3_sync_url, config.s3_secret_key) as on_disk,
        ):
            yield Installation(config.database_admin_url, buckets, on_disk)

    def scratch() -> Scratch:
        config = settings.load(RestoreTestSettings, environment)
        return Scratch(config.scratch_database_url, config.database_url)

    return BackupTools(
        output=output,
        vault=vault,
        source=source,
        installation=installation,
        scratch=scratch,
        keep_days=lambda: settings.load(BackupSettings, environment).backup_keep_days,
    )


@asynccontextmanager
async def _buckets(config: BucketSettings) -> AsyncGenerator[dict[str, BlobStore]]:
    names = {
        "archive": config.s3_archive_bucket,
        "sources": config.s3_sources_bucket,
        "media": config.s3_media_bucket,
    }
    async with s3_client(
        config.s3_endpoint, config.s3_region, config.s3_access_key, config.s3_secret_key
    ) as client:
        yield {use: S3Store(client, name) for use, name in names.items() if name}


def run_command_line() -> NoReturn:
    """Run one command and exit with its status."""

    def opened(output: Output) -> Tools:
        return tools(settings.load(OperatorSettings, os.environ), output)

    commands = command_line(opened, lambda output: backup_tools(os.environ, output))
    sys.exit(run_command(commands, sys.argv[1:]))


ENTRIES: dict[str, Role[Any]] = {
    "reconciler": Role("reconciler", ReconcilerSettings, compose_reconciler),
    "disk-sync": Role("disk-sync", DiskSyncSettings, compose_disk_sync),
}

if __name__ == "__main__":
    if " ".join(sys.argv[1:]) not in ENTRIES:
        settings.run(run_command_line)
    settings.run(lambda: run_entry(ENTRIES, sys.argv[1:], os.environ))
