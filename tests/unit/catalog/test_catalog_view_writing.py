"""Batches of views are counted once, and cost the same however long a video's history is."""

from collections.abc import Sequence

import pytest

from services.catalog.handlers import ViewWriter
from services.catalog.rows import ViewBatch
from shared.contracts import DetailsChanged, VideoDeleted, ViewsCounted, new_id, stream_id
from shared.event_store.memory import MemoryEventStore
from shared.event_store.store import Metadata, NewEvent, RecordedEvent
from tests.support.catalog_events import uploaded


class Log(MemoryEventStore):
    """A log that counts the events that are read."""

    read = 0

    async def read_stream(self, stream_id: str, after_version: int = 0) -> list[RecordedEvent]:
        found = await super().read_stream(stream_id, after_version)
        self.read += len(found)
        return found


class Dropped:
    """The batches that were dropped."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    async def take(self, age: float, without: Sequence[str]) -> Sequence[ViewBatch]:
        return ()

    async def drop(self, batch_id: str) -> None:
        self.ids.append(batch_id)


@pytest.fixture
async def log() -> Log:
    log = Log()
    video = NewEvent(uploaded("v", "ann"))
    await log.append(stream_id("upload", "v"), 0, [video], Metadata())
    return log


async def views(log: Log) -> list[int]:
    found = await MemoryEventStore.read_stream(log, stream_id("video", "v"))
    return [event.data.count for event in found if isinstance(event.data, ViewsCounted)]


def batch(count: int = 1) -> ViewBatch:
    return ViewBatch(new_id(), "v", count)


async def test_a_long_history_is_read_once(log: Log) -> None:
    writer = ViewWriter(log, Dropped())
    for _ in range(200):
        await writer.write(batch())
    assert len(await views(log)) == 200
    assert log.read == 1, "the upload"

    log.read = 0
    again = ViewWriter(log, Dropped())
    for _ in range(3):
        await again.write(batch())
    assert log.read == 201


async def test_a_batch_that_was_appended_before_a_crash_is_not_counted_again(log: Log) -> None:
    first, second = batch(3), batch(4)
    writer = ViewWriter(log, Dropped())
    for each in (first, second, first):
        await writer.write(each)
    await ViewWriter(log, Dropped()).write(first)
    assert await views(log) == [3, 4]
    await writer.write(batch(5))
    assert await views(log) == [3, 4, 5]


async def test_what_others_append_meanwhile_is_seen(log: Log) -> None:
    dropped = Dropped()
    writer = ViewWriter(log, dropped)
    await writer.write(batch(1))
    changed = DetailsChanged(video_id="v", title="t", description="")
    await log.append(stream_id("video", "v"), 1, [NewEvent(changed)], Metadata())
    await writer.write(batch(2))
    deleted = VideoDeleted(video_id="v", user_id="ann", deleted_by="ann")
    await log.append(stream_id("video", "v"), 3, [NewEvent(deleted)], Metadata())
    late = batch(7)
    await writer.write(late)
    assert await views(log) == [1, 2]
    assert dropped.ids == [late.batch_id]
