"""The read models equal a rebuild, whatever happens to messages and processes."""

import asyncio
import random
from typing import Any

import pytest

from services.catalog.tables import READ_MODELS
from shared.event_store.store import Metadata, NewEvent
from tests.integration.catalog.stage import Stage, open_stage
from tests.support.catalog_stories import Story
from tests.support.databases import Database
from tests.support.wait import eventually


async def contents(stage: Stage) -> dict[str, list[Any]]:
    """Every row of every read model."""
    return {
        table.name: await stage.query(f"select t::text from {table.fullname} t order by 1")
        for table in READ_MODELS
    }


async def write(stage: Stage, seed: int, count: int) -> None:
    """Append a random story to the log."""
    versions: dict[str, int] = {}
    for stream, event in Story(seed).facts(count):
        version = versions.get(stream, 0)
        versions[stream] = await stage.store.append(stream, version, [NewEvent(event)], Metadata())


@pytest.mark.parametrize("seed", [2, 3, 4])
async def test_disorder_duplicates_gaps_and_crashes_leave_the_rows_of_a_rebuild(
    database: Database, seed: int
) -> None:
    async with open_stage(database, follow=False) as stage:
        await write(stage, seed, 250)
        stage.start_stamping()
        await eventually(lambda: _stamped(stage, 250))
        log = await stage.store.read_all(0, 1000)

        chance = random.Random(seed)
        at = 0
        while at < 250:
            runner = stage.runner(batch=chance.choice([1, 7, 100]))
            running = asyncio.create_task(runner.run())
            offers = []
            for _ in range(6):
                start = chance.randint(max(0, at - 20), min(249, at + 15))
                piece = log[start : start + chance.randint(1, 20)]
                chance.shuffle(piece)
                offers.append(asyncio.create_task(runner.offer(piece)))
            await asyncio.wait(offers, return_when=asyncio.FIRST_COMPLETED)
            # The runner stops at an arbitrary point.
            running.cancel()
            await asyncio.gather(running, *offers, return_exceptions=True)
            at = (await stage.query("select position from catalog.checkpoints"))[0]["position"]
        live = await contents(stage)

        names = ", ".join(table.fullname for table in READ_MODELS)
        await stage.query(f"truncate {names}")
        await stage.query("update catalog.checkpoints set position = 0")
        again = stage.runner(batch=97)
        rebuilding = asyncio.create_task(again.run())
        await eventually(lambda: again.position == 250)
        rebuilding.cancel()
        await asyncio.gather(rebuilding, return_exceptions=True)

        assert await contents(stage) == live
        assert all(live[table.name] for table in READ_MODELS)
        assert await stage.query("select * from catalog.parked_events") == []


async def test_views_are_never_lost_and_never_counted_twice(stage: Stage) -> None:
    user = await stage.user()
    video = await stage.ready(user)
    await stage.settle()

    async def shown() -> int:
        return (await stage.get(f"/streaming/id/{video}")).json()["data"]["views"]

    answers = await asyncio.gather(
        *(
            stage.call("PATCH", f"/streaming/views/{video}", headers={"user-agent": f"tv {n}"})
            for n in range(20)
        )
    )
    assert {answer.status_code for answer in answers} == {200}
    assert max(answer.json()["data"]["views"] for answer in answers) == 20
    assert await shown() == 20

    # The batch is appended and not projected: still 20 views, also after a repeat.
    await stage.stop_projecting()
    assert await stage.count_pending_views() == 1
    assert await stage.count_pending_views() == 1
    assert await shown() == 20
    assert (await stage.call("PATCH", f"/streaming/views/{video}")).json()["data"]["views"] == 21

    stage.start_projecting()
    await stage.settle()
    assert await shown() == 21
    assert await stage.count_pending_views() == 1
    await stage.settle()
    assert await shown() == 21
    assert await stage.query("select * from catalog.view_batches") == []
    assert await stage.query("select * from catalog.pending_views") == []
    counted = "select sum((data->>'count')::int) from log.events where type = 'ViewsCounted'"
    assert (await stage.query(counted))[0]["sum"] == 21


async def test_views_of_a_deleted_video_are_forgotten(stage: Stage) -> None:
    user = await stage.user()
    video = await stage.ready(user)
    await stage.call("PATCH", f"/streaming/views/{video}")
    await stage.call("DELETE", f"/streaming/{video}", user)

    await stage.count_pending_views()

    assert await stage.query("select * from catalog.view_batches") == []
    assert await stage.query("select * from log.events where type = 'ViewsCounted'") == []


async def _stamped(stage: Stage, count: int) -> bool:
    return await stage.store.head() == count
