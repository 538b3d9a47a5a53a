"""From the upload's last byte to a playlist that plays, through relay, planner and two workers."""

import statistics
import time
from pathlib import Path

import msgspec

from shared.event_store.postgres import open_event_store
from tests.integration.transcoder.stage import Processes, Studio, connections
from tests.support.brokers import Broker
from tests.support.buckets import Buckets
from tests.support.databases import Database


class Waits(msgspec.Struct, frozen=True):
    """Seconds, one for each upload."""

    playable: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.playable)


async def waits(
    source: Path, times: int, database: Database, broker: Broker, s3: Buckets, folder: Path
) -> Waits:
    """Upload a source some times, one after the other."""
    processes = Processes(connections(database, broker, s3, folder), folder)
    try:
        processes.relay(database.url("relay"))
        processes.planner()
        for _ in range(2):
            processes.worker()
        async with (
            open_event_store(database.url("transcoder")) as store,
            open_event_store(database.url("ingest")) as ingest,
        ):
            studio = Studio(store, s3, ingest)
            warm = await studio.upload(source)
            await studio.wait_for(warm, "TranscodeCompleted", timeout=600)
            found: list[float] = []
            for _ in range(times):
                video_id = await studio.upload(source)
                started = time.perf_counter()
                await studio.wait_for(video_id, "VideoPlayable", timeout=120)
                found.append(time.perf_counter() - started)
                await studio.wait_for(video_id, "TranscodeCompleted", timeout=600)
            return Waits(found)
    finally:
        processes.stop()
