"""Searches of very many videos, and many searches at once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeAlias

import asyncpg
import httpx
import pytest

from services.catalog.queries.search import SESSION, Found, Search
from services.catalog.queries.search_turns import AT_ONCE, PER_CALLER, WAITING_PER_CALLER
from services.catalog.queries.totals import EXACT, Total
from services.catalog.read_model.text_analysis import Query, parse_query
from shared.database.reads import Reads, Record, create_read_pool
from shared.errors import TooManyRequests
from shared.http.paging import MAX_OFFSET, MAX_SIZE
from tests.integration.catalog.stage import Stage
from tests.support.databases import Database
from tests.support.wait import eventually

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
MANY = MAX_OFFSET + MAX_SIZE + 100
TERMS = """
insert into catalog.video_terms (video_id, term, score)
select 'video' || lpad(n::text, 6, '0'), unnest($3::text[]), $4
from generate_series($1::int, $2) n
"""
FILL = """
insert into catalog.videos (
    id, user_id, title, description, created_at, updated_at, tags, visibility, status,
    playable, listed, renditions, views, search, live_connected, live_ended, live_kept
)
select 'video' || lpad(n::text, 6, '0'), 'ann', 'A video', '',
       timestamptz '2026-01-01' + n * interval '1 s', now(), '[]', 'public', 'ready', true, true,
       '[]', 0, $2::tsvector, false, false, true
from generate_series($1::int, $3) n
"""


class SlowReads(Reads):
    """Asks for ``slow`` for as long as a test wants, over a connection of the pool."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, pool_seconds=1)
        self._connections = pool
        self.released = asyncio.Event()
        self.under_way = 0

    async def rows(self, statement: str, *values: Any) -> Any:
        if any("slow" in value for value in values if isinstance(value, str)):
            async with self._connections.acquire():
                self.under_way += 1
                await self.released.wait()
        return await super().rows(statement, *values)


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    pool = await create_read_pool(database.url("catalog"), size=AT_ONCE, session=SESSION)
    yield pool
    await pool.close()


async def found(search: Search, words: str, offset: int = 0, by: str = "bob") -> Found:
    query = parse_query(words)
    assert query is not None
    return await search.find(query, offset, MAX_SIZE, by=by)


def ids(rows: Sequence[Record]) -> list[str]:
    return [row["id"] for row in rows]


async def test_the_best_of_very_many_hits_come_first_however_old_and_exact_ones_before_them(
    database: Database, pool: Pool
) -> None:
    owner = await asyncpg.connect(database.admin_url)
    try:
        # The two oldest rank highest, and the oldest is the only one with ``word``.
        await owner.execute(FILL, 1, "'ward':1A 'word':2A", 1)
        await owner.execute(TERMS, 1, 1, ["ward", "ward*", "word"], 1000)
        await owner.execute(FILL, 2, "'ward':1A", 2)
        await owner.execute(TERMS, 2, 2, ["ward", "ward*"], 1000)
        await owner.execute(FILL, 3, "'ward':1D", MANY)
        await owner.execute(TERMS, 3, MANY, ["ward", "ward*"], 100)
        await owner.execute("insert into catalog.words values ('ward'), ('word')")
        await owner.execute("vacuum analyze catalog.videos")
    finally:
        await owner.close()
    search = Search(Reads(pool))
    oldest, other = "video000001", "video000002"
    newest = [f"video{n:06}" for n in range(MANY, 2, -1)]
    best = await found(search, "ward")
    # In a text of two words, a hit weighs less than in one of one word.
    assert ids(best.rows) == [other, oldest, *newest[: MAX_SIZE - 2]]
    assert not best.total.is_exact
    # ``ward`` is a letter away.
    near = ids((await found(search, "word")).rows)
    assert near == [oldest, other, *newest[: MAX_SIZE - 2]]
    # Each block of them is ranked once, wherever pages end.
    pages = [ids((await found(search, "word", place)).rows) for place in range(0, 1000, MAX_SIZE)]
    assert [id_ for page in pages for id_ in page] == [oldest, other, *newest[:998]]


async def test_hits_that_few_terms_know_of_are_found_and_counted(
    database: Database, pool: Pool
) -> None:
    """A video has more words than terms."""
    owner = await asyncpg.connect(database.admin_url)
    try:
        await owner.execute(FILL, 1, "'ward':1D 'river':2D", 700)
        await owner.execute(TERMS, 1, 300, ["ward"], 100)
        await owner.execute(FILL, 701, "'ward':1A 'river':2A", 701)
        await owner.execute("vacuum analyze catalog.videos")
    finally:
        await owner.close()
    search = Search(Reads(pool))
    for words in ("ward", "ward river"):
        every = [await found(search, words, place) for place in range(0, 750, MAX_SIZE)]
        assert {page.total for page in every} == {Total(701, True)}
        assert len({id_ for page in every for id_ in ids(page.rows)}) == 701


async def test_characters_that_do_not_follow_each_other_take_no_place_of_those_that_do(
    database: Database, pool: Pool
) -> None:
    owner = await asyncpg.connect(database.admin_url)
    try:
        await owner.execute(FILL, 1, "'東京':1D '京都':2D", EXACT + 100)
        await owner.execute(FILL, EXACT + 101, "'東京':1A '京都':9A", EXACT + 500)
        await owner.execute(TERMS, EXACT + 101, EXACT + 500, ["東京", "京都"], 1000)
    finally:
        await owner.close()
    search = Search(Reads(pool))
    first = await found(search, "東京都")
    assert len(first.rows) == MAX_SIZE
    assert first.total.rows > EXACT
    assert (await found(search, "東京都" * 60)).rows == []


async def test_pages_of_a_search_end_where_those_of_lists_do(stage: Stage) -> None:
    owner = await asyncpg.connect(stage.database.admin_url)
    await owner.execute(FILL, 1, "'ward':1D", MANY)
    await owner.execute(TERMS, 1, MANY, ["ward*"], 1)
    await owner.close()
    deepest = MAX_OFFSET // MAX_SIZE + 1

    async def page(number: int, words: str = "ward") -> httpx.Response:
        asked = {"q": words, "page": number, "page_size": MAX_SIZE}
        return await stage.get("/streaming/search", params=asked)

    before, last = [(await page(number)).json()["data"] for number in (deepest - 1, deepest)]
    assert [video["id"] for video in last["data"]] == [
        f"video{MANY - place:06}" for place in range(MAX_OFFSET, MAX_OFFSET + MAX_SIZE)
    ]
    assert last["cursor"] is None
    asked = {"q": "ward", "page_size": MAX_SIZE, "cursor": before["cursor"]}
    by_cursor = (await stage.get("/streaming/search", params=asked)).json()["data"]
    assert by_cursor["data"] == last["data"]
    beyond = await page(deepest + 1)
    assert (beyond.status_code, beyond.json()["error"]["type"]) == (400, "page_too_deep")
    assert (await page(10**6, "nothing")).json()["data"]["data"] == []


async def test_who_searches_is_a_user_or_else_an_address(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    callers: list[str] = []

    async def find(self: Search, query: Query, offset: int, limit: int, *, by: str) -> Found:
        callers.append(by)
        return Found([], Total(0, True))

    monkeypatch.setattr(Search, "find", find)
    user = await stage.user()
    await stage.get("/streaming/search?q=x", user=user, headers={"x-cinelog-client": "192.0.2.1"})
    await stage.get("/streaming/search?q=x", headers={"x-cinelog-client": "192.0.2.2"})
    assert callers == [user, "192.0.2.2"]


async def test_one_callers_searches_leave_connections_to_others(pool: Pool) -> None:
    reads = SlowReads(pool)
    search = Search(reads)
    most = PER_CALLER + WAITING_PER_CALLER
    slow = [asyncio.create_task(found(search, "slow", by="eve")) for _ in range(most)]

    async def is_busy() -> bool:
        return reads.under_way >= PER_CALLER

    await eventually(is_busy)
    try:
        with pytest.raises(TooManyRequests):
            await found(search, "slow", by="eve")
        assert (await found(search, "quick")).total.rows == 0
        assert reads.under_way == PER_CALLER
    finally:
        reads.released.set()
        answers = await asyncio.gather(*slow)
    assert [answer.total.rows for answer in answers] == [0] * most
