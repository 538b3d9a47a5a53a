"""Wires the relay and runs it: ``python -m services.relay.main``."""

import asyncio
import os

from faststream.rabbit import RabbitBroker

from services.relay.archiver import ArchiveMetrics, keep_archiving
from services.relay.settings import ArchiveBucketSettings, RelaySettings, archive_bucket
from shared import settings, telemetry
from shared.blobs.s3 import S3Store, s3_client
from shared.event_store.leadership import leadership
from shared.event_store.postgres import open_event_store
from shared.http import server
from shared.http.app import create_app
from shared.http.metrics import create_registry
from shared.messaging.broker import connected, create_broker
from shared.messaging.relay import Relay, RelayMetrics
from shared.messaging.topology import declare
from shared.telemetry import get_logger

LEADERSHIP = "cinelog.relay"
_RETRY_SECONDS = 1.0


async def run(config: RelaySettings, bucket: ArchiveBucketSettings | None) -> None:
    """Lead or stand by until SIGTERM or SIGINT; archive besides, where there is a bucket."""
    registry = create_registry(config.otel_exporter_otlp_endpoint)
    metrics = RelayMetrics(registry)
    broker = create_broker(config.amqp_url)
    async with open_event_store(config.database_url, connections=3, registry=registry) as store:
        relay = Relay(store, broker, config.database_url, metrics)
        app = create_app("relay", [], checks={"postgres": store.head}, registry=registry)
        async with server.serve_embedded(app, config.metrics_bind):
            stop = server.stop_on_signals()
            work = [asyncio.create_task(lead(relay, broker, config.database_url))]
            if bucket is not None:
                work.append(asyncio.create_task(_archive(config, bucket, ArchiveMetrics(registry))))
            await stop.wait()
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)


async def _archive(
    config: RelaySettings, bucket: ArchiveBucketSettings, metrics: ArchiveMetrics
) -> None:
    async with s3_client(
        bucket.endpoint, bucket.region, bucket.access_key, bucket.secret_key, connections=2
    ) as client:
        await keep_archiving(
            config.database_url,
            S3Store(client, bucket.name),
            metrics,
            range_events=config.archive_range_events,
            seconds=config.archive_seconds,
        )


async def lead(relay: Relay, broker: RabbitBroker, url: str) -> None:
    """Relay whenever this process leads, for ever: a lost connection only costs the lead."""
    log = get_logger(__name__)
    connecting = asyncio.create_task(_connect(broker))
    try:
        while True:
            try:
                async with leadership(url, LEADERSHIP) as connection:
                    await relay.run(connection)
            except Exception as error:
                log.warning("relay stands back", error=repr(error))
                await asyncio.sleep(_RETRY_SECONDS)
    finally:
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)


async def _connect(broker: RabbitBroker) -> None:
    """Hold the broker's connection. Stamping does not wait for it."""
    async with connected(broker):
        await declare(broker)
        await asyncio.Event().wait()


def main() -> None:
    """Read the settings, then run."""
    config = settings.load(RelaySettings, os.environ)
    bucket = archive_bucket(config)
    telemetry.configure("relay", config.cinelog_mode, config.otel_exporter_otlp_endpoint)
    server.run(lambda: run(config, bucket))


if __name__ == "__main__":
    settings.run(main)
