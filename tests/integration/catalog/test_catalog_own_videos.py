"""A person's own videos: every order and filter against the rows, what a page reads."""

import re
from typing import Any

import asyncpg
import pytest

from services.catalog.queries import own_videos
from services.catalog.queries.lists import SESSION
from services.catalog.queries.own_videos import OwnVideos, Wanted
from services.catalog.read_model.text_analysis import parse_query
from shared.contracts import DetailsChanged, TranscodeFailed, ViewsCounted, new_id, stream_id
from shared.database.reads import Reads, create_read_pool
from shared.http.paging import MAX_OFFSET, PageTooDeep
from tests.integration.catalog.stage import Stage
from tests.support.databases import Database


async def own(stage: Stage, user: str, **query: Any) -> list[str]:
    """The titles of a page."""
    answer = await stage.get("/users/me/videos", user, params=query)
    assert answer.status_code == 200, answer.text
    return [video["title"] for video in answer.json()["data"]["data"]]


@pytest.fixture
async def ada(stage: Stage) -> str:
    """Somebody with four videos, beside somebody else's."""
    ada = await stage.user()
    await stage.ready(await stage.user(), "Foreign fog")
    fog = await stage.ready(ada, "Fog over the bay", tags=("weather",))
    await stage.upload(ada, "über die Berge", visibility="private")
    await stage.ready(ada, "Zebra", visibility="unlisted", description="In the fog")
    failed = await stage.upload(ada, "apples", visibility="draft")
    lost = TranscodeFailed(video_id=failed, attempt=1, code="no_video", reason="It is no video.")
    await stage.record(stream_id("transcode", failed), lost)
    await stage.record(
        stream_id("video", fog), ViewsCounted(video_id=fog, count=7, batch_id=new_id())
    )
    await stage.settle()
    return ada


async def test_own_videos_are_sorted_filtered_and_searched(stage: Stage, ada: str) -> None:
    newest = ["apples", "Zebra", "über die Berge", "Fog over the bay"]
    assert await own(stage, ada) == newest
    assert await own(stage, ada, sort="oldest") == newest[::-1]
    assert await own(stage, ada, sort="title") == [
        *("apples", "Fog over the bay", "Zebra", "über die Berge")
    ]
    assert (await own(stage, ada, sort="longest"))[:2] == ["Zebra", "Fog over the bay"]
    assert (await own(stage, ada, sort="views"))[0] == "Fog over the bay"
    assert await own(stage, ada, status="failed") == ["apples"]
    assert await own(stage, ada, status="processing") == ["über die Berge"]
    assert await own(stage, ada, visibility="unlisted") == ["Zebra"]
    assert await own(stage, ada, q="FO") == ["Zebra", "Fog over the bay"]
    assert await own(stage, ada, q="weather", visibility="public") == ["Fog over the bay"]
    # What has no word finds nothing; blanks ask for nothing.
    assert await own(stage, ada, q="?!") == []
    assert await own(stage, ada, q="  ") == newest
    assert (await stage.get("/users/me/videos")).status_code == 401
    for wrong in ({"sort": "best"}, {"status": "gone"}, {"visibility": "all"}, {"cursor": "x"}):
        assert (await stage.get("/users/me/videos", ada, params=wrong)).status_code == 400


async def test_pages_follow_each_other(stage: Stage, ada: str) -> None:
    found: list[str] = []
    query: dict[str, Any] = {"page_size": 3, "sort": "title"}
    while True:
        page = (await stage.get("/users/me/videos", ada, params=query)).json()["data"]
        assert page["total"] == 4
        found += [video["title"] for video in page["data"]]
        if page["cursor"] is None:
            break
        query["cursor"] = page["cursor"]
    assert found == await own(stage, ada, sort="title")
    assert await own(stage, ada, sort="title", page=2, page_size=3) == found[3:]
    assert await own(stage, ada, page=10**6, page_size=50) == []


async def test_a_changed_title_is_sorted_and_found_by_its_new_words(stage: Stage, ada: str) -> None:
    (video,) = (await stage.get("/users/me/videos", ada, params={"q": "zebra"})).json()["data"][
        "data"
    ]
    changed = DetailsChanged(video_id=video["id"], title="Aardvark", description="")
    await stage.record(stream_id("video", video["id"]), changed)
    await stage.settle()
    assert (await own(stage, ada, sort="title"))[0] == "Aardvark"
    assert await own(stage, ada, q="zebra") == []


async def test_a_page_reads_what_its_owner_has_and_nobody_elses(database: Database) -> None:
    owner = await asyncpg.connect(database.admin_url)
    await owner.execute(
        """
        insert into catalog.videos (
            id, user_id, title, description, created_at, updated_at, tags, visibility, status,
            playable, listed, renditions, views, search, live_connected, live_ended, live_kept
        )
        select 'video' || n, case when n <= 40 then 'ada' else 'user' || n % 100 end,
               'A video', '', now(), now(), '[]', 'public', 'ready', true, true, '[]', n,
               to_tsvector('simple', case when n % 2 = 0 then 'fog' else 'sun' end),
               false, false, true
        from generate_series(1, 8000) n
        """
    )
    await owner.execute("vacuum analyze catalog.videos")
    await owner.close()
    session = SESSION | {"plan_cache_mode": "force_generic_plan"}
    pool = await create_read_pool(database.url("catalog"), size=1, session=session)
    query = parse_query("fog")
    assert query is not None
    for sort, statement in own_videos._PAGES.items():
        await pool.execute(f"prepare asked as {statement}")
        words = query.strict.replace("'", "''")
        plan = await pool.fetch(
            f"explain (analyze) execute asked('ada', 'ready', null, '{words}', 13, 0)"
        )
        lines = [row["QUERY PLAN"] for row in plan]
        assert not [line for line in lines if "Seq Scan on videos" in line], (sort, lines)
        scans = [line for line in lines if "ix_videos_channel" in line]
        assert scans, (sort, lines)
        read = [float(re.findall(r"rows=([\d.]+)", line)[-1]) for line in scans]
        assert max(read) <= 40, (sort, lines)
        await pool.execute("deallocate asked")
    found = await OwnVideos(Reads(pool)).page("ada", Wanted("views", words=query.strict), 0, 12)
    assert [row["views"] for row in found.rows] == list(range(40, 16, -2))
    await pool.close()


async def test_what_lies_too_deep_is_not_reached(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await asyncpg.connect(database.admin_url)
    await owner.execute(
        """
        insert into catalog.videos (
            id, user_id, title, description, created_at, updated_at, tags, visibility, status,
            playable, listed, renditions, views, search, live_connected, live_ended, live_kept
        )
        select 'video' || n, 'ada', 'A video', '', now(), now(), '[]', 'public', 'ready', true,
               true, '[]', n, '', false, false, true
        from generate_series(1, 30) n
        """
    )
    await owner.close()
    monkeypatch.setattr(own_videos, "MAX_OFFSET", 20)
    pool = await create_read_pool(database.url("catalog"), size=1, session=SESSION)
    videos = OwnVideos(Reads(pool))
    last = await videos.page("ada", Wanted(), 20, 10)
    assert (len(last.rows), last.after) == (10, None)
    with pytest.raises(PageTooDeep):
        await videos.page("ada", Wanted(), 30, 10)
    assert (await videos.page("ada", Wanted(status="failed"), MAX_OFFSET, 10)).rows == []
    await pool.close()
