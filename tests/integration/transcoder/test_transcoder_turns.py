"""Each running video's playlists get their turn, however often those of others change."""

from typing import Any, cast

from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.coordinator.coordinator import Coordinator
from services.transcoder.coordinator.metrics import CoordinatorMetrics
from services.transcoder.jobs.jobs import JobRecord, JobRepository
from shared.event_store.memory import MemoryEventStore
from shared.loops.loops import Loops
from tests.integration.transcoder.task_table import execute, project, uploads
from tests.support.memory_blobs import MemoryBlobs

RUNNING = "update transcoder.jobs set state = 'running', changes = changes + 1"


class Jobs(JobRepository):
    """Notes who was published; each of them has changed again at once."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine)
        self.turns: list[str] = []

    async def published(self, job: JobRecord) -> None:
        self.turns.append(job.video_id)


async def test_all_have_a_turn_before_anybody_has_two(engine: AsyncEngine) -> None:
    await project(engine, *uploads("v", 20))
    await execute(engine, RUNNING)
    registry, jobs = CollectorRegistry(), Jobs(engine)
    coordinator = Coordinator(
        jobs,
        cast(Any, None),
        MemoryEventStore(),
        MemoryBlobs(),
        cast(Any, None),
        metrics=CoordinatorMetrics(engine, registry),
        loops=Loops(registry),
    )
    for _ in range(3):
        await coordinator._publish_round()
    assert len(set(jobs.turns)) == len(jobs.turns) == 20
    await coordinator._publish_round()
    assert len(jobs.turns) == 28, "then the first ones have another one"


async def test_who_cannot_be_watched_yet_is_first(engine: AsyncEngine) -> None:
    await project(engine, *uploads("v", 9))
    await execute(engine, RUNNING)
    await execute(engine, "update transcoder.jobs set playable = video_id <> 'v-8'")
    first, *_others = await JobRepository(engine).to_publish(8)
    assert first.video_id == "v-8"
