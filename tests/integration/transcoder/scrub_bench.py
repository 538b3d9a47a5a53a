"""A scrub of its own, beside the processes, on the same tables and buckets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.coordinator.metrics import CoordinatorMetrics
from services.transcoder.coordinator.scrub_loop import ScrubLoop, ScrubPlan
from services.transcoder.coordinator.scrub_repository import ScrubRepository
from services.transcoder.coordinator.scrubbing import Scrubber
from shared.blobs.s3 import S3Store, s3_client
from tests.integration.transcoder.stage import Studio
from tests.support.buckets import Buckets


class Bench:
    """The scrub, its parts and its metrics."""

    def __init__(self, engine: AsyncEngine, studio: Studio, client: object, s3: Buckets) -> None:
        self.registry = CollectorRegistry()
        metrics = CoordinatorMetrics(engine, self.registry)
        self.media = S3Store(client, s3.media)
        self.repository = ScrubRepository(engine)
        self.sources = S3Store(client, s3.sources)
        self.scrubber = Scrubber(
            self.repository, studio.store, self.media, self.sources, metrics.scrub
        )
        plan = ScrubPlan(1 << 30, timedelta(0), again=timedelta(0))
        self.loop = ScrubLoop(self.scrubber, self.repository, plan, metrics)

    async def again(self, rounds: int) -> None:
        """So many rounds of the loop."""
        for _ in range(rounds):
            await self.loop.round()

    async def cut(self, key: str) -> None:
        """Leave half of an object."""
        data = await self.media.read(key)
        await self.media.put(key, data[: len(data) // 2], "application/octet-stream")

    async def flip(self, key: str) -> None:
        """Change one bit in the middle of an object; its size stays."""
        data = bytearray(await self.media.read(key))
        data[len(data) // 2] ^= 1
        await self.media.put(key, bytes(data), "application/octet-stream")

    @property
    def checks(self) -> float:
        """How many checks were made so far."""
        verdicts = ("sound", "unknown", "damaged", "missing", "unreadable")
        return sum(self.value("checks_total", verdict=verdict) for verdict in verdicts)

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"cinelog_scrub_{name}", labels) or 0.0


@asynccontextmanager
async def bench_at(endpoint: str, engine: AsyncEngine, studio: Studio) -> AsyncIterator[Bench]:
    s3 = studio.s3
    async with s3_client(endpoint, s3.region, s3.access_key, s3.secret_key) as client:
        yield Bench(engine, studio, client, s3)
