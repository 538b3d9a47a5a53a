"""Lists against the rows that they are made of; long lists, their totals and their depth."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any

import asyncpg
import pytest

from services.catalog.queries import search, views
from services.catalog.queries.lists import SESSION, Keyset, Listing
from services.catalog.queries.totals import COUNTED, EXACT, Total, Totals
from services.catalog.queries.views import Views
from services.catalog.read_model.text_analysis import parse_query
from shared.database.reads import Reads, create_read_pool
from shared.http.paging import MAX_OFFSET, PageParams, PageTooDeep
from tests.support.databases import Database

FILL = (
    """
    insert into catalog.users (id, username, username_key, registered_at, deleted)
    select 'user' || n, 'user' || n, 'user' || n, now(), n = 3 from generate_series(0, 4) n
    """,
    # Many have the same time; some are not listed, live, or of an account that is unknown.
    """
    insert into catalog.videos (
        id, user_id, title, description, created_at, updated_at, tags, visibility, status,
        playable, listed, renditions, views, search, live_connected, live_ended, live_kept
    )
    select 'video' || n, 'user' || n % 6, 'A video', '',
           timestamptz '2026-01-01' + n / 7 * '1 s'::interval, now(), '[]', 'public',
           case when n % 5 = 0 then 'live' else 'ready' end, true, n % 4 > 0,
           '[]', n, '', false, n % 3 = 0, true
    from generate_series(1, $1::int) n
    """,
    """
    insert into catalog.video_tags (video_id, key, name, public, listed, created_at)
    select id, tag, tag, true, listed, created_at
    from catalog.videos, unnest(array['all', 'some' || substr(id, length(id))]) tag
    """,
    """
    insert into catalog.jobs (
        id, user_id, title, description, created_at, updated_at, status, stage, progress,
        playable, attempt, notes
    )
    select id, user_id, title, '', created_at, created_at,
           case when live_ended then 'failed' else 'completed' end, 'done', 100, true, 1, '[]'
    from catalog.videos
    """,
    "insert into catalog.pending_views (video_id, count) values ('video1', 5)",
    "insert into catalog.view_batches values (gen_random_uuid(), 'video1', 7)",
)


@pytest.fixture
async def owner(database: Database) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(database.admin_url)
    yield connection
    await connection.close()


@pytest.fixture
async def reads(database: Database) -> AsyncIterator[Reads]:
    pool = await create_read_pool(database.url("catalog"), size=2)
    yield Reads(pool)
    await pool.close()


async def fill(owner: "asyncpg.Connection[asyncpg.Record]", videos: int) -> list[dict[str, Any]]:
    """The videos, newest first."""
    for statement in FILL:
        await owner.execute(statement, *((videos,) if "$1" in statement else ()))
    await owner.execute("vacuum analyze")
    rows = await owner.fetch("select * from catalog.videos order by created_at desc, id desc")
    return [dict(row) for row in rows]


async def all_pages(read: Callable[[Keyset | None], Awaitable[Listing | None]]) -> list[str]:
    """The ids of a list, by its cursors."""
    ids: list[str] = []
    after: Keyset | None = None
    while (listing := await read(after)) is not None:
        ids += [row["id"] for row in listing.rows]
        if (after := listing.next) is None:
            break
    return ids


async def test_lists_are_made_of_the_rows_that_belong_to_them(
    owner: "asyncpg.Connection[asyncpg.Record]", reads: Reads
) -> None:
    made, views, page = await fill(owner, 300), Views(reads), PageParams(1, 50)
    running = [row for row in made if row["status"] == "live" and not row["live_ended"]]

    def ids(rows: list[dict[str, Any]], **wanted: Any) -> list[str]:
        return [
            row["id"] for row in rows if all(row[name] == value for name, value in wanted.items())
        ]

    assert await all_pages(lambda after: views.latest(page, after)) == ids(made, listed=True)
    assert await all_pages(lambda after: views.latest(page, after, live=True)) == ids(
        running, listed=True
    )
    for rows, live in ((made, False), (running, True)):
        own = await all_pages(
            lambda after, live=live: views.channel("user1", page, after, everything=True, live=live)
        )
        assert own == ids(rows, user_id="user1")
        others = await all_pages(
            lambda after, live=live: views.channel(
                "user1", page, after, everything=False, live=live
            )
        )
        assert others == ids(rows, user_id="user1", listed=True)
    assert await all_pages(lambda after: views.tagged("all", page, after)) == ids(made, listed=True)
    ended = ids(made, user_id="user2", live_ended=True)
    assert await all_pages(lambda after: views.jobs("user2", "failed", page, after)) == ended
    assert await all_pages(lambda after: views.jobs("user2", None, page, after)) == ids(
        made, user_id="user2"
    )


async def test_pages_by_number_are_the_parts_of_the_list(
    owner: "asyncpg.Connection[asyncpg.Record]", reads: Reads
) -> None:
    made, views = await fill(owner, 100), Views(reads)
    listed = [row["id"] for row in made if row["listed"]]
    for size in (1, 7, 50):
        for number in (1, 2, 3, 80):
            page = PageParams(number, size)
            found = await views.latest(page, None)
            assert [row["id"] for row in found.rows] == listed[page.offset : page.offset + size]
            assert found.total == Total(len(listed), True)
    # Of nobody, and of nothing.
    assert await views.channel("user3", PageParams(), None, everything=False) is None
    assert await views.channel("user5", PageParams(), None, everything=False) is None
    assert await views.tagged("none", PageParams(), None) is None
    assert (await views.jobs("nobody", None, PageParams(), None)).total == Total(0, True)


async def test_a_person_comes_with_the_newest_videos(
    owner: "asyncpg.Connection[asyncpg.Record]", reads: Reads
) -> None:
    made, views = await fill(owner, 900), Views(reads)
    own = [row["id"] for row in made if row["user_id"] == "user1"]
    others = [row["id"] for row in made if row["user_id"] == "user1" and row["listed"]]
    for caller, expected in (("user1", own), ("user2", others), ("", others)):
        for found in (
            await views.person(user_id="user1", caller=caller),
            await views.person(username="USER1", caller=caller),
        ):
            assert found is not None
            assert (found.id, found.username) == ("user1", "user1")
            assert [row["id"] for row in found.newest] == expected[:50]
    assert await views.person(user_id="user3") is None
    assert await views.person(username="user9") is None
    lonely = await owner.fetchval("delete from catalog.videos where user_id = 'user4' returning 1")
    assert lonely
    found = await views.person(user_id="user4")
    assert found is not None
    assert found.newest == []


async def test_views_that_wait_are_counted_and_deleted_owners_hide_a_video(
    owner: "asyncpg.Connection[asyncpg.Record]", reads: Reads
) -> None:
    await fill(owner, 12)
    views = Views(reads)
    video = await views.video("video1")
    assert video is not None
    assert (video["shown_views"], video["username"]) == (1 + 5 + 7, "user1")
    access = await views.access("video1")
    assert access is not None
    assert (access["user_id"], access["visibility"]) == ("user1", "public")
    assert (access["duration_ms"], access["captions"]) == (None, [])
    # ``user3`` is deleted; nobody knows ``user5``.
    assert await views.video("video3") is None
    assert await views.access("video3") is None
    assert (unowned := await views.video("video5")) is not None
    assert unowned["username"] is None


async def test_long_lists_have_about_so_many_rows_and_end_by_cursor(
    owner: "asyncpg.Connection[asyncpg.Record]", reads: Reads
) -> None:
    made, views = await fill(owner, MAX_OFFSET * 4 // 3 + 40), Views(reads)
    listed = [row["id"] for row in made if row["listed"]]
    first = await views.latest(PageParams(1, 50), None)
    assert not first.total.is_exact
    assert first.total.rows == pytest.approx(len(listed), rel=0.2)
    deepest = await views.latest(PageParams(MAX_OFFSET // 50 + 1, 50), None)
    assert [row["id"] for row in deepest.rows] == listed[MAX_OFFSET:]
    with pytest.raises(PageTooDeep):
        await views.latest(PageParams(MAX_OFFSET // 50 + 2, 50), None)
    at = made[MAX_OFFSET]["created_at"]
    assert isinstance(at, datetime)
    behind = await views.latest(PageParams(1, 50), Keyset(at, made[MAX_OFFSET]["id"]))
    assert behind.rows
    # A page that is as deep, of a list that is not.
    short = await views.channel("user1", PageParams(10**6, 50), None, everything=False, live=True)
    assert short is not None
    assert short.rows == []


async def test_a_page_of_a_long_channel_reads_only_its_rows(
    database: Database, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Also by the plan that the server keeps for all channels, of which most are short."""
    await fill(owner, 6000)
    await owner.execute(
        "update catalog.videos set user_id = 'user9' || hashtext(id) % 150 where user_id <> 'user1'"
    )
    await owner.execute("vacuum analyze catalog.videos")
    session = SESSION | {"plan_cache_mode": "force_generic_plan"}
    pool = await create_read_pool(database.url("catalog"), size=1, session=session)
    for statement, values in (
        (views._CHANNEL.pages, "'user1', true, 11, 0"),
        (views._PERSON_BY_ID, "'user1', 'user1'"),
    ):
        await pool.execute(f"prepare asked as {statement}")
        plan = await pool.fetch(f"explain (analyze) execute asked({values})")
        lines = [row["QUERY PLAN"] for row in plan if "ix_videos_channel" in row["QUERY PLAN"]]
        read = [float(re.findall(r"rows=([\d.]+)", line)[-1]) for line in lines]
        # The count, and the ids of the page.
        assert read[-1] <= 51, lines
        await pool.execute("deallocate asked")
    await pool.close()


async def test_more_than_a_thousand_hits_of_a_search_are_estimated(
    database: Database, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await fill(owner, 2000)
    await owner.execute("update catalog.videos set search = $1::tsvector", "'word':1A")
    await owner.execute(
        "insert into catalog.video_terms select id, 'word*', 1 from catalog.videos where listed"
    )
    await owner.execute("vacuum analyze catalog.videos")
    pool = await create_read_pool(database.url("catalog"), size=1, session=search.SESSION)
    query = parse_query("word")
    assert query is not None
    found = await search.Search(Reads(pool)).find(query, 1400, 10, by="ann")
    assert len(found.rows) == 10
    assert not found.total.is_exact
    # The last word may be begun, of which the statistics know little.
    listed = await owner.fetchval("select count(*) from catalog.videos where listed")
    assert EXACT < found.total.rows <= listed
    assert found.total.rows >= 1400 + len(found.rows)
    await pool.close()


async def test_totals_are_known_as_far_as_pages_by_number_reach(
    owner: "asyncpg.Connection[asyncpg.Record]", reads: Reads
) -> None:
    """Also of a channel, a tag and jobs of which the statistics know little."""
    await fill(owner, 60)
    more = (
        """
        insert into catalog.videos select (jsonb_populate_record(v, jsonb_build_object(
            'id', v.id || '-' || lpad(n::text, 5, '0'),
            'created_at', v.created_at + n * interval '1 s'))).*
        from catalog.videos v, generate_series($1::int, $2) n where v.id = 'video31'
        """,
        """
        insert into catalog.video_tags select (jsonb_populate_record(t, jsonb_build_object(
            'video_id', t.video_id || '-' || lpad(n::text, 5, '0'),
            'created_at', t.created_at + n * interval '1 s'))).*
        from catalog.video_tags t, generate_series($1::int, $2) n where video_id = 'video31'
        """,
        """
        insert into catalog.jobs select (jsonb_populate_record(j, jsonb_build_object(
            'id', j.id || '-' || lpad(n::text, 5, '0'),
            'created_at', j.created_at + n * interval '1 s'))).*
        from catalog.jobs j, generate_series($1::int, $2) n where id = 'video31'
        """,
    )
    for statement in more:
        await owner.execute(statement, 1, 3000)
    page, deep, views = PageParams(1, 50), PageParams(65, 50), Views(reads)
    user, tag = "user1", "some1"
    for rows, listing in (
        (
            "catalog.videos where listed and user_id = 'user1'",
            lambda page: views.channel(user, page, None, everything=False),
        ),
        (
            "catalog.video_tags where listed and key = 'some1'",
            lambda page: views.tagged(tag, page, None),
        ),
        (
            "catalog.jobs where user_id = 'user1'",
            lambda page: views.jobs(user, None, page, None),
        ),
    ):
        found = await listing(page)
        assert found is not None
        number = await owner.fetchval(f"select count(*) from {rows}")
        assert found.total == Total(number, False)
    # What was counted a minute ago is less than a page shows that was added since.
    for statement in more:
        await owner.execute(statement, 3001, 3500)
    found = await views.channel(user, deep, None, everything=False)
    assert found is not None
    assert len(found.rows) == 50
    assert found.total.rows > deep.offset + 50


async def test_long_lists_are_counted_once_a_minute_and_very_long_ones_estimated(
    owner: "asyncpg.Connection[asyncpg.Record]", reads: Reads
) -> None:
    now = [100.0]
    await owner.execute("create table public.rows as select generate_series(1, 2000) as id")
    await owner.execute("grant select on public.rows to public; analyze public.rows")
    totals = Totals(reads, lambda: now[0])
    assert await totals.of(EXACT, "public.rows") == Total(EXACT, True)
    assert await totals.of(EXACT + 1, "public.rows") == Total(2000, False)
    await owner.execute(
        "insert into public.rows select generate_series(1, $1::int)", COUNTED - 2000
    )
    assert await totals.of(EXACT + 1, "public.rows") == Total(2000, False)
    assert await totals.of(EXACT + 1, "public.rows", shown=2050) == Total(2050, False)
    now[0] += 61
    assert await totals.of(EXACT + 1, "public.rows") == Total(COUNTED, False)
    await owner.execute("insert into public.rows select generate_series(1, 10000)")
    await owner.execute("analyze public.rows")
    now[0] += 61
    assert await totals.of(EXACT + 1, "public.rows") == Total(COUNTED + 10_000, False)
    # What was counted is there, whatever the statistics say.
    many = "public.rows where id % 3 >= $1"
    assert await totals.of(EXACT + 1, many, [0]) == Total(COUNTED + 1, False)
    few = "public.rows where id = $1"
    assert await totals.of(EXACT + 1, few, [7]) == Total(EXACT + 1, False)
