"""What compaction has replaced is listed for deletion: of any number of objects, those of a live
not, and although it fails for other videos."""

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.coordinator.compaction import Compactor
from services.transcoder.jobs.jobs import JobRepository
from shared.blobs.store import BlobInfo, BlobStoreUnavailable
from shared.event_store.memory import MemoryEventStore
from shared.loops.items import ItemMetrics, Items
from shared.outages import is_outage
from tests.integration.transcoder.task_table import deletion_list, execute, project, uploads
from tests.support.memory_blobs import MemoryBlobs

MANY = 9_000


class Bucket(MemoryBlobs):
    """Never lists the folders of some videos."""

    def __init__(self, *refused: str) -> None:
        super().__init__()
        self._refused = tuple(f"{video_id}/" for video_id in refused)

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[BlobInfo]:
        if prefix in self._refused:
            raise BlobStoreUnavailable("this folder is never listed")
        async for blob in super().list(prefix, after=after):
            yield blob


def compactor(engine: AsyncEngine, media: MemoryBlobs) -> Compactor:
    metrics = ItemMetrics(CollectorRegistry())
    made = Compactor(
        JobRepository(engine),
        MemoryEventStore(),
        media,
        cast(Any, None),
        deletion_list(engine),
        metrics=metrics,
    )
    # What fails waits until the end of the test.
    made._dropping = Items("list replaced objects", metrics, lambda: 0.0)
    return made


async def due(engine: AsyncEngine, count: int) -> None:
    """As many videos whose replaced objects are due, the first one for the longest time."""
    await project(engine, *uploads("v", count))
    await execute(
        engine,
        "update transcoder.jobs set state = 'completed',"
        " drop_at = now() - make_interval(hours => 9 - split_part(video_id, '-', 2)::int)",
    )


async def waiting(engine: AsyncEngine) -> list[str]:
    """The videos whose replaced objects are not listed yet."""
    async with engine.connect() as connection:
        query = "select video_id from transcoder.jobs where drop_at is not null order by 1"
        return list((await connection.execute(text(query))).scalars())


async def test_segments_of_a_live_are_not_replaced_by_its_recording(engine: AsyncEngine) -> None:
    media = Bucket()
    for key in ("v-0/a1/240p/00000.mp4", "v-0/live/1/source/0.m4s"):
        await media.put(key, b"x", "")
    await due(engine, 1)
    await compactor(engine, media).step()
    assert await deletion_list(engine).listed("v-0") == {"v-0/a1/240p/00000.mp4"}
    assert await waiting(engine) == []


async def test_more_objects_are_listed_than_a_statement_takes_arguments(
    engine: AsyncEngine,
) -> None:
    keys = [f"v/a1/240p/{number:05d}.mp4" for number in range(MANY)]
    listing = deletion_list(engine)
    assert await listing.add("v", keys, "replaced") == keys
    assert await listing.add("v", keys, "unused") == []
    assert await listing.add("v", ["v/a1/"], "ended") == ["v/a1/"]
    assert await listing.add("v", ["v/a1/240p/new.mp4", "v/a10/x.mp4"], "unused") == ["v/a10/x.mp4"]


async def test_five_videos_that_fail_keep_no_later_one_waiting(engine: AsyncEngine) -> None:
    failing = [f"v-{number}" for number in range(5)]
    await due(engine, 6)
    made = compactor(engine, Bucket(*failing))
    for _ in range(3):
        try:
            await made.step()
        except BlobStoreUnavailable:
            continue
    assert await waiting(engine) == failing


async def test_who_has_waited_longest_is_first(engine: AsyncEngine) -> None:
    await due(engine, 6)
    await execute(
        engine,
        "update transcoder.jobs set drop_at = now() - interval '1 day' where video_id = 'v-5'",
    )
    found = await JobRepository(engine).to_drop(3)
    assert [job.video_id for job in found] == ["v-5", "v-0", "v-1"]


async def test_too_many_arguments_are_no_outage(engine: AsyncEngine) -> None:
    values = {f"p{number}": "" for number in range(32_768)}
    names = ", ".join(f":{name}" for name in values)
    with pytest.raises(DBAPIError) as refused:
        await execute(engine, f"select 1 where '' in ({names})", **values)
    assert not is_outage(refused.value)
