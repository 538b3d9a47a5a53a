"""Nobody makes a video popular by asking for it again and again."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date

import httpx
import pytest
from sqlalchemy import event

from services.catalog.pending_views import PendingViews
from services.catalog.viewers import ViewKeys
from tests.integration.catalog.stage import Stage, open_stage
from tests.support.databases import Database

DAY = date(2026, 11, 27)


@pytest.fixture
async def stage(database: Database) -> AsyncIterator[Stage]:
    async with open_stage(database) as running:
        yield running


async def view(
    stage: Stage, video: str, address: str = "192.0.2.1", agent: str = "tv"
) -> httpx.Response:
    headers = {"x-cinelog-client": address, "user-agent": agent}
    return await stage.call("PATCH", f"/streaming/views/{video}", headers=headers)


def count(answer: httpx.Response) -> int:
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["views"]


async def test_a_viewer_counts_once_and_is_answered_always(stage: Stage) -> None:
    video = await stage.ready(await stage.user())
    await stage.settle()
    answers = await asyncio.gather(*(view(stage, video) for _ in range(50)))
    assert max(count(answer) for answer in answers) == 1
    assert count(await view(stage, video)) == 1
    assert count(await view(stage, video, agent="phone")) == 2
    assert count(await view(stage, video, address="192.0.2.2")) == 3


async def test_what_a_viewer_sends_makes_nobody_new(stage: Stage) -> None:
    """Cookies, tokens and claimed addresses do not count: only what the gateway saw."""
    owner = await stage.user()
    video = await stage.ready(owner)
    await stage.settle()
    for n in range(5):
        headers = {
            "x-cinelog-client": "192.0.2.1",
            "user-agent": "tv",
            "cookie": f"id={n}",
            "x-forwarded-for": f"203.0.113.{n}",
        }
        answer = await stage.call("PATCH", f"/streaming/views/{video}", headers=headers)
        assert count(answer) == 1
    own = {"x-cinelog-client": "192.0.2.1", "user-agent": "tv"}
    assert count(await stage.call("PATCH", f"/streaming/views/{video}", owner, headers=own)) == 1


async def test_one_video_is_not_viewed_for_another(stage: Stage) -> None:
    user = await stage.user()
    one, other = await stage.ready(user), await stage.ready(user)
    await stage.settle()
    assert [count(await view(stage, each)) for each in (one, other, one, other)] == [1, 1, 1, 1]


async def test_an_address_adds_at_most_so_many(stage: Stage) -> None:
    keys, limited = ViewKeys("s"), PendingViews(stage.engine, per_address=3)
    views = [keys.view("v", "192.0.2.1", f"agent {n}", DAY) for n in range(10)]
    await asyncio.gather(*(limited.add(each) for each in views[:5]))
    for each in views[5:]:
        await limited.add(each)
    await limited.add(keys.view("v", "192.0.2.2", "tv", DAY))
    rows = await stage.query("select count from catalog.pending_views")
    assert [row["count"] for row in rows] == [4]
    await limited.add(keys.view("v", "192.0.2.1", "tv", date(2026, 11, 28)))
    rows = await stage.query("select count from catalog.pending_views")
    assert [row["count"] for row in rows] == [5]


async def test_views_take_one_statement_however_many_come_at_once(stage: Stage) -> None:
    keys, pending = ViewKeys("s"), PendingViews(stage.engine)
    statements: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        statements.append(statement)

    event.listen(stage.engine.sync_engine, "before_cursor_execute", note)
    views = [keys.view(f"v{n % 3}", f"192.0.2.{n % 2}", f"agent {n}", DAY) for n in range(12)]
    await asyncio.gather(*(pending.add(each) for each in views))
    assert len([each for each in statements if "insert into" in each]) == 1
    rows = await stage.query("select video_id, count from catalog.pending_views order by 1")
    assert [(row["video_id"], row["count"]) for row in rows] == [("v0", 4), ("v1", 4), ("v2", 4)]
    rows = await stage.query("select count from catalog.viewing_addresses")
    assert [row["count"] for row in rows] == [6, 6]


async def test_neither_addresses_nor_browsers_are_stored(stage: Stage) -> None:
    video = await stage.ready(await stage.user())
    await stage.settle()
    await view(stage, video, "198.51.100.77", "a rare browser")
    for table in ("viewers", "viewing_addresses"):
        rows = str(await stage.query(f"select * from catalog.{table}"))
        assert "198.51" not in rows
        assert "rare" not in rows


async def test_hashes_are_forgotten_after_their_day(stage: Stage) -> None:
    pending = PendingViews(stage.engine)
    await pending.add(ViewKeys("s").view("v", "192.0.2.1", "tv", date(2020, 1, 1)))
    await pending.take(3600)
    assert await stage.query("select 1 from catalog.viewers") == []
    assert await stage.query("select 1 from catalog.viewing_addresses") == []


def test_hashes_depend_on_all_parts_and_on_the_secret() -> None:
    keys = ViewKeys("s")
    parts = [("v", "1", "23", DAY), ("v", "12", "3", DAY), ("v1", "", "23", DAY)]
    hashes = {keys.view(*each).viewer for each in parts}
    hashes |= {ViewKeys("t").view(*each).viewer for each in parts}
    hashes |= {keys.view("v", "1", "23", date(2026, 11, 28)).viewer}
    assert len(hashes) == 7
