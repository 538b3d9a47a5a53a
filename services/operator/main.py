"""Wires the reconciler and the command line: ``python -m services.operator.main``."""

import asyncio
import os
import sys

import asyncpg

from services.operator.reconciler import Reconciler, ReconcilerMetrics
from services.operator.services import open_services
from services.operator.settings import ReconcilerSettings
from shared import settings, telemetry
from shared.http import server
from shared.http.app import create_app
from shared.http.metrics import create_registry


async def run_reconciler(config: ReconcilerSettings) -> None:
    """Reconcile or stand by until SIGTERM or SIGINT."""
    registry = create_registry(config.otel_exporter_otlp_endpoint)

    async def database() -> None:
        connection = await asyncpg.connect(config.database_url, timeout=5)
        await connection.close()

    app = create_app("reconciler", [], checks={"postgres": database}, registry=registry)
    async with (
        open_services(
            config.upstream_ingest, config.upstream_transcoder, config.operator_secret
        ) as services,
        server.serving(app, config.metrics_bind),
    ):
        reconciler = Reconciler(
            config.database_url, services, ReconcilerMetrics(registry), config.reconcile_seconds
        )
        stop = server.stop_on_signals()
        running = asyncio.create_task(reconciler.run())
        await stop.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def main() -> None:
    """Run the reconciler."""
    if sys.argv[1:] != ["reconciler"]:
        raise settings.SettingsError("say which: reconciler")
    config = settings.load(ReconcilerSettings, os.environ)
    telemetry.configure("reconciler", config.cinelog_mode, config.otel_exporter_otlp_endpoint)
    server.run(lambda: run_reconciler(config))


if __name__ == "__main__":
    settings.run(main)
