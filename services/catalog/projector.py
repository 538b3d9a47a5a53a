"""The projector: the leading replica updates the read models and runs the background tasks."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, Protocol

from prometheus_client import CollectorRegistry, Gauge

from services.catalog.handlers import Batches, delete_orphans, write_views
from services.catalog.webhooks.webhook_delivery import WebhookDelivery
from shared.event_store.leadership import leadership
from shared.event_store.projections.projection import ProjectionRunner
from shared.event_store.projections.projection_metrics import ProjectionMetrics
from shared.event_store.store import EventStore
from shared.telemetry import get_logger

_log = get_logger(__name__)

_RETRY_SECONDS: Final = 1.0
_VIEWS_SECONDS: Final = 5.0
_ORPHANS_SECONDS: Final = 2.0
_WEBHOOKS_SECONDS: Final = 1.0


class Orphans(Protocol):
    """Finds videos whose owner's account is gone."""

    async def orphans(self) -> Sequence[str]:
        """Their ids."""
        ...


class ProjectorMetrics:
    """What an operator watches: does this replica lead, and is the read model behind.

    A standby replica shows 0 as leader and nothing of the read model.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.leader = Gauge(
            "cinelog_projection_leader",
            "1 while this process leads.",
            ("projection",),
            registry=registry,
        )
        self.projection = ProjectionMetrics(registry)


class BackgroundTasks:
    """What follows from events, done again and again until nothing is left to do.

    What is to do stands in the database, not in memory, so that a crash loses none of it.
    """

    def __init__(self, store: EventStore, batches: Batches, orphans: Orphans) -> None:
        self._store = store
        self._batches = batches
        self._orphans = orphans

    async def write_views(self) -> int:
        """Write views that were counted some seconds ago into the log."""
        return await write_views(self._store, self._batches, _VIEWS_SECONDS)

    async def delete_orphans(self) -> int:
        """Delete the videos of deleted accounts, those that were just uploaded too."""
        found = await self._orphans.orphans()
        await delete_orphans(self._store, found)
        return len(found)


class Projector:
    """Leads or stands by. A leader that dies frees the lock; another takes over.

    ``consume`` hands the runner what messages bring, for as long as it runs.
    """

    def __init__(
        self,
        *,
        url: str,
        new_runner: Callable[[], ProjectionRunner],
        consume: Callable[[ProjectionRunner], Coroutine[Any, Any, None]],
        background: BackgroundTasks,
        webhooks: WebhookDelivery,
        store: EventStore,
        metrics: ProjectorMetrics,
    ) -> None:
        self._url = url
        self._new_runner = new_runner
        self._consume = consume
        self._background = background
        self._webhooks = webhooks
        self._store = store
        self._metrics = metrics

    async def head(self) -> int:
        """The log's last position: whether the database answers."""
        return await self._store.head()

    async def run(self) -> None:
        """Project whenever this process leads, for ever."""
        while True:
            runner = self._new_runner()
            leader = self._metrics.leader.labels(runner.name)
            leader.set(0)
            try:
                async with leadership(self._url, f"projection {runner.name}"):
                    _log.info("projector leads", projection=runner.name)
                    leader.set(1)
                    await self._lead(runner)
            except Exception as error:
                _log.warning("projector stands back", projection=runner.name, error=repr(error))
                await asyncio.sleep(_RETRY_SECONDS)
            finally:
                leader.set(0)

    async def _lead(self, runner: ProjectionRunner) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(runner.run())
            tasks.create_task(self._consume(runner))
            tasks.create_task(self._metrics.projection.follow(runner, self._store))
            tasks.create_task(_repeat("views", self._background.write_views, _VIEWS_SECONDS))
            tasks.create_task(_repeat("webhooks", self._webhooks.round, _WEBHOOKS_SECONDS))
            tasks.create_task(_repeat("orphans", self._background.delete_orphans, _ORPHANS_SECONDS))


async def _repeat(name: str, task: Callable[[], Awaitable[int]], seconds: float) -> None:
    while True:
        try:
            done = await task()
            if done:
                _log.info("background task done", task=name, count=done)
        except Exception as error:
            # It stands in the database still, and the next round tries again.
            _log.warning("background task failed", task=name, error=repr(error))
        await asyncio.sleep(seconds)
