"""One video whose objects the storage refuses keeps no other from its reconciliation."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import timedelta
from typing import Any, cast

import pytest

from services.transcoder.coordinator.reconciling import Reconciliation
from services.transcoder.jobs.jobs import JobRecord
from shared.blobs.store import BlobStoreUnavailable
from shared.event_store.memory import MemoryEventStore
from tests.unit.transcoder.facts_about import COMPLETED
from tests.unit.transcoder.test_transcoder_poison import MADE, OTHERS, POISONED, VIDEOS, Bench


class Tables:
    """A completed job for each video."""

    async def stray_tasks(self) -> list[str]:
        return []

    async def all_ids(self, after: str) -> AsyncIterator[str]:
        for video in VIDEOS:
            if video > after:
                yield video

    async def find(self, video_ids: Sequence[str]) -> dict[str, JobRecord]:
        return {v: JobRecord(v, "u", 1, "completed", 1, None, None) for v in video_ids}


class NoDeletions:
    async def add(self, video_id: str, keys: Iterable[str], reason: str) -> list[str]:
        return []


async def rounds(bench: Bench, store: MemoryEventStore) -> Reconciliation:
    """Every video has lost its poster; the playlists were never written."""
    await bench.make(*MADE, COMPLETED)
    for video in VIDEOS:
        await bench.media.delete(f"{video}/a1/poster.webp")
    return Reconciliation(
        cast(Any, Tables()),
        store,
        cast(Any, bench.media),
        cast(Any, NoDeletions()),
        timedelta(hours=1),
        settle_seconds=0.0,
    )


async def test_one_video_whose_objects_are_refused_keeps_no_other_from_its_check() -> None:
    bench = Bench("completed")
    reconciliation = await rounds(bench, bench.log)
    await bench.poison("object")
    found = await reconciliation.round(dry_run=False)
    assert {each.subject for each in found if each.action == "remake"} == OTHERS
    assert [each.subject for each in found if each.action == "unreadable"] == [POISONED]


async def test_a_storage_that_refuses_everything_ends_the_round() -> None:
    bench = Bench("completed")
    reconciliation = await rounds(bench, bench.log)
    bench.media.poisoned = ""
    with pytest.raises(BlobStoreUnavailable):
        await reconciliation.round(dry_run=False)
    for video in VIDEOS:
        assert (await bench.types(video))[-1] == "TranscodeCompleted"
