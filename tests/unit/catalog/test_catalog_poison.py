"""One bad item of a hundred in each loop of the catalog's projector: the others do not notice."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from prometheus_client import CollectorRegistry

from services.catalog.projector import BackgroundTasks
from services.catalog.rows import FoundCaptions, ViewBatch
from services.catalog.webhooks import webhook_delivery
from services.catalog.webhooks.webhook_delivery import WebhookDelivery
from services.catalog.webhooks.webhooks import Webhook
from shared.contracts import VideoUploaded, stream_id
from shared.event_store.memory import MemoryEventStore
from shared.event_store.store import Metadata, NewEvent, Unreadable
from shared.loops.items import ItemMetrics

POISONED = "video37"
VIDEOS = [f"video{number}" for number in range(100)]


class Batches:
    """One batch of views for each video."""

    async def take(self, age: float, without: Sequence[str]) -> list[ViewBatch]:
        batches = [ViewBatch(str(UUID(int=n)), video, 1) for n, video in enumerate(VIDEOS, 1)]
        return [batch for batch in batches if batch.batch_id not in without]

    async def drop(self, batch_id: str) -> None:
        raise AssertionError(batch_id)


class Orphans:
    async def orphans(self, without: Sequence[str]) -> list[str]:
        return [video for video in VIDEOS if video not in without]

    async def due_drafts(self, now: datetime, without: Sequence[str]) -> list[str]:
        return []

    async def found_captions(self, without: Sequence[str]) -> list[FoundCaptions]:
        return []


async def log(*, poison: bool) -> MemoryEventStore:
    store = MemoryEventStore()
    for video in VIDEOS:
        event = VideoUploaded(
            video_id=video,
            user_id="u",
            title="t",
            description="",
            filename="f",
            content_type="video/mp4",
            size=1,
            source_key="k",
        )
        await store.append(stream_id("upload", video), 0, [NewEvent(event)], Metadata())
    if poison:
        newer = NewEvent(Unreadable(reason="newer"))
        await store.append(stream_id("video", POISONED), 0, [newer], Metadata())
    return store


async def written(*, poison: bool) -> dict[str, list[str]]:
    """The types of the events of each video but the poisoned one, after two rounds of each loop."""
    store = await log(poison=poison)
    tasks = BackgroundTasks(store, Batches(), Orphans(), ItemMetrics(CollectorRegistry()))
    for _ in range(2):
        await tasks.write_views(age=0)
    for _ in range(2):
        await tasks.delete_orphans()
    found: dict[str, list[str]] = {}
    for event in await store.read_all(0, 10_000):
        if not event.stream_id.endswith(POISONED):
            found.setdefault(event.stream_id, []).append(event.type)
    return found


async def test_one_videos_unreadable_stream_does_not_hold_up_the_others() -> None:
    expected = await written(poison=False)
    assert expected["video-video99"] == ["ViewsCounted", "VideoDeleted"]
    assert await written(poison=True) == expected


class Receivers:
    """A hundred webhooks with one event each; the rows of one cannot be read."""

    def __init__(self, poisoned: str | None) -> None:
        self.poisoned = poisoned
        self.received: list[str] = []
        self.asked: list[str] = []

    async def due(
        self, now: datetime, without: Sequence[str], without_users: Sequence[str], limit: int
    ) -> Sequence[Webhook]:
        found = [cast(Any, FakeWebhook(f"hook{number}")) for number in range(100)]
        return [hook for hook in found if hook.id not in (*without, *self.received)]

    async def save_result(self, before: Webhook, after: Webhook) -> bool:
        self.received.append(before.id)
        return True

    async def drained(self, webhook: Webhook) -> None: ...

    async def tidy(self) -> None: ...

    async def feed(
        self, user_id: str, after: int, types: Sequence[str], limit: int
    ) -> Sequence[Mapping[Any, Any]]:
        self.asked.append(user_id)
        if user_id == self.poisoned:
            raise ValueError("a row that cannot be read")
        return [{"type": "VideoUploaded"}]


class FakeWebhook:
    position, failures = 0, 0

    def __init__(self, name: str) -> None:
        self.id = self.user_id = name

    def wants(self, event_type: str) -> bool:
        return True


async def test_one_webhook_that_cannot_be_served_does_not_hold_up_the_others(
    monkeypatch: Any,
) -> None:
    async def send(_self: WebhookDelivery, webhook: Webhook, _row: Mapping[Any, Any]) -> Webhook:
        return webhook

    monkeypatch.setattr(webhook_delivery.WebhookDelivery, "_send", send)
    receivers = Receivers("hook37")
    delivery = WebhookDelivery(
        receivers,
        receivers,
        cast(Any, None),
        "k",
        metrics=ItemMetrics(CollectorRegistry()),
        clock=lambda: datetime.now(UTC),
    )
    await delivery.round()
    await delivery.finish()
    assert len(receivers.received) == 99
    await delivery.round()
    await delivery.finish()
    assert len(receivers.received) == 99
    assert "hook37" not in receivers.received
    # The bad one waits; it is not tried again in each round.
    assert receivers.asked.count("hook37") == 1
