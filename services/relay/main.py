"""Wires the relay and runs it: ``python -m services.relay.main``."""

import os
import sys

from faststream.rabbit import RabbitBroker

from services.relay.archiver import ArchiveMetrics, Archiver
from services.relay.settings import RelaySettings, archive_bucket
from shared import settings
from shared.host.buckets import open_s3
from shared.host.entry import Role, run_entry
from shared.host.host import Host, Process, Served
from shared.http.app import create_app
from shared.loops.leaders import Leader
from shared.loops.progress import LoopProgress
from shared.messaging.broker import connected, create_broker
from shared.messaging.consuming import hold
from shared.messaging.relay import Relay, RelayMetrics
from shared.messaging.topology import declare


async def compose(config: RelaySettings, host: Host) -> Process:
    """Stamps and publishes events while it leads; archives them too, where there is a bucket."""
    log = await host.log(config.database_url, connections=3)
    broker = create_broker(config.amqp_url)
    relay = Relay(log, broker, config.database_url, RelayMetrics(host.registry), host.loops)
    url = config.database_url
    work = {
        # The body uses the lock's connection in every round, which also checks it.
        "relay": lambda: host.loops.lead(Leader.RELAY, url, relay.run, heartbeat=False),
        "broker": lambda: _hold(broker, host),
    }
    metrics = ArchiveMetrics(host.registry)
    archive = archive_bucket(config)
    if archive is not None:
        bucket = await open_s3(
            host,
            archive.endpoint,
            archive.region,
            archive.access_key,
            archive.secret_key,
            connections=2,
            sync_url=config.s3_sync_url,
        )
        archiver = Archiver(
            url,
            bucket(archive.name),
            host.loops,
            metrics,
            range_events=config.archive_range_events,
            seconds=config.archive_seconds,
        )
        work["archiver"] = lambda: host.loops.lead(Leader.ARCHIVER, url, archiver.run)
    app = create_app(
        "relay",
        [],
        checks={"postgres": log.head},
        registry=host.registry,
        progress=host.loops.progress,
    )
    return Process(servers=[Served(app, config.metrics_bind)], work=work)


async def _hold(broker: RabbitBroker, host: Host) -> None:
    """Hold the broker's connection. Stamping does not wait for it."""

    async def session(progress: LoopProgress) -> None:
        async with connected(broker, alive=progress.came_round):
            await declare(broker)
            await hold(broker, alive=progress.came_round)

    await host.loops.persist("hold the broker", session)


ENTRIES = {"": Role("relay", RelaySettings, compose)}

if __name__ == "__main__":
    settings.run(lambda: run_entry(ENTRIES, sys.argv[1:], os.environ))
