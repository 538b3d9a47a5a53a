"""Deleting thousands of objects of one video costs few readings of its streams."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from services.transcoder.coordinator.deleting import Deleter
from services.transcoder.coordinator.deletion_repository import Deletion, Reason
from services.transcoder.coordinator.metrics import CoordinatorMetrics
from shared.contracts import (
    Event,
    TranscodeFailed,
    TranscodeRetried,
    VideoDeleted,
    stream_id,
)
from shared.event_store.memory import MemoryEventStore
from shared.event_store.store import Metadata, NewEvent, RecordedEvent
from tests.support.memory_blobs import MemoryBlobs
from tests.unit.transcoder.facts_about import COMPLETED, plan

FAILED = TranscodeFailed(video_id="v", attempt=1, code="c", reason="r")
KEYS = [f"v/a1/240p/{number:05d}-stray.mp4" for number in range(500)]
TRANSCODE, VIDEO = stream_id("transcode", "v"), stream_id("video", "v")


class Log(MemoryEventStore):
    """Counts how often a whole stream is read."""

    def __init__(self) -> None:
        super().__init__()
        self.readings = 0

    async def read_stream(self, stream_id: str, after_version: int = 0) -> list[RecordedEvent]:
        self.readings += 1
        return await super().read_stream(stream_id, after_version)


class Listing:
    """The entries that are due."""

    def __init__(self, keys: list[str], reason: Reason) -> None:
        self.entries = [Deletion(key, "v", reason) for key in keys]

    async def due(self, limit: int, without: list[str]) -> list[Deletion]:
        return self.entries[:limit]

    async def remove(self, key: str) -> None:
        self.entries = [entry for entry in self.entries if entry.key != key]

    async def postpone(self, key: str, seconds: float) -> None:
        await self.remove(key)


class Bucket(MemoryBlobs):
    """Calls ``tenth`` after the tenth deletion."""

    def __init__(self, tenth: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self._tenth = tenth
        self._deletions = 0

    async def delete(self, key: str) -> None:
        await super().delete(key)
        self._deletions += 1
        if self._deletions == 10:
            await self._tenth()


class Bench:
    """A failed or completed video with many stray objects. ``meanwhile``: what is recorded after
    the tenth object is gone."""

    def __init__(self, keys: list[str], reason: Reason, *meanwhile: Event) -> None:
        self.log, self.list = Log(), Listing(keys, reason)
        self.media = Bucket(lambda: self.append(*meanwhile))
        self.steps = 0
        self.deleter = Deleter(
            cast(Any, self.list),
            self.log,
            self.media,
            CoordinatorMetrics(cast(Any, None), CollectorRegistry()),
            advanced=self._advanced,
        )

    def _advanced(self) -> None:
        self.steps += 1

    async def append(self, *events: Event) -> None:
        for event in events:
            stream = VIDEO if isinstance(event, VideoDeleted) else TRANSCODE
            version = len((await self.log.read_streams([stream]))[stream])
            await self.log.append(stream, version, [NewEvent(event)], Metadata())

    async def begin(self, *events: Event) -> None:
        await self.append(*events)
        for key in KEYS:
            await self.media.put(key, b"x", "")

    async def rounds(self) -> None:
        while self.list.entries:
            await self.deleter.round()


async def test_a_folder_is_deleted_by_a_few_readings_and_each_object_is_progress() -> None:
    bench = Bench(["v/a1/"], "ended")
    await bench.begin(plan(), FAILED)
    await bench.rounds()
    assert bench.media.keys() == []
    assert bench.log.readings < 5
    assert bench.steps > len(KEYS)


async def test_entries_of_one_video_are_deleted_by_a_few_readings() -> None:
    bench = Bench(KEYS, "unused")
    await bench.begin(plan(), COMPLETED)
    await bench.rounds()
    assert bench.media.keys() == []
    assert bench.log.readings < 5


@pytest.mark.parametrize(
    ("keys", "reason"), [(["v/a1/"], "ended"), (KEYS, "ended")], ids=["folder", "entries"]
)
async def test_what_is_recorded_meanwhile_counts_for_the_next_object(
    keys: list[str], reason: Reason
) -> None:
    again = Bench(keys, reason, TranscodeRetried(video_id="v", attempt=2, requested_by="u"))
    await again.begin(plan(), FAILED)
    await again.rounds()
    assert len(again.media.keys()) == len(KEYS) - 10
    gone = Bench(keys, reason, VideoDeleted(video_id="v", user_id="u", deleted_by="u"))
    await gone.begin(plan(), FAILED)
    await gone.rounds()
    assert gone.media.keys() == []
