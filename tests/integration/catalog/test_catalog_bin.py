"""The bin over HTTP: gone for everybody at once, taken back as it was, deleted for good in time."""

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.contracts import (
    UserDeleted,
    VideoBinned,
    VideoDeleted,
    VideoRestored,
    ViewsCounted,
    new_id,
    stream_id,
)
from tests.integration.catalog.stage import Stage, open_stage
from tests.support.databases import Database


async def binned(stage: Stage, user: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (await stage.get("/users/me/bin", user)).json()["data"]["data"]
    return listed


async def last(stage: Stage, video: str) -> object:
    return (await stage.store.read_stream(stream_id("video", video)))[-1].data


async def test_what_is_binned_is_nowhere_and_comes_back_as_it_was(stage: Stage) -> None:
    ada, bob = await stage.user("ada-bin"), await stage.user()
    video = await stage.ready(ada, "Vanishing", tags=("ghost",))
    views = ViewsCounted(video_id=video, count=7, batch_id=new_id())
    await stage.record(stream_id("video", video), views)
    await stage.settle()
    before = (await stage.get(f"/streaming/id/{video}", ada)).json()["data"]
    places = (
        *("/streaming/latest", "/streaming/search?q=vanishing", f"/users/{ada}/videos"),
        *("/users/me/videos", "/jobs"),
    )

    async def seen() -> list[int]:
        return [(await stage.get(place, ada)).json()["data"]["total"] for place in places]

    assert await seen() == [1] * 5
    answer = await stage.call("DELETE", f"/streaming/{video}", ada)
    assert answer.json()["data"] == {"message": "The video was deleted."}
    assert await seen() == [0] * 5
    for path in (f"/streaming/id/{video}", f"/videos/{video}/captions", f"/jobs/{video}"):
        assert (await stage.get(path, ada)).status_code == 404, path
    assert (await stage.get(f"/videos/{video}/timeline", ada)).status_code == 404
    assert (await stage.get("/tags/ghost/videos")).status_code == 404
    assert (await stage.get("/users/username/ada-bin", ada)).json()["data"]["videos"] == []
    internal = "http://catalog/internal"
    assert (await stage.client.get(f"{internal}/media/{video}")).status_code == 404
    assert (await stage.client.get(f"{internal}/gone/{video}")).status_code == 204
    (item,) = await binned(stage, ada)
    assert (item["id"], item["title"], item["duration_ms"]) == (video, "Vanishing", 89_600)
    left = datetime.fromisoformat(item["delete_at"]) - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < left <= timedelta(days=30)
    assert await binned(stage, bob) == []
    restore = f"/users/me/bin/{video}/restore"
    for user, status in ((None, 401), (bob, 404), (ada, 200), (ada, 404)):
        assert (await stage.call("POST", restore, user)).status_code == status
    assert isinstance(await last(stage, video), VideoRestored)
    assert await seen() == [1] * 5
    after = (await stage.get(f"/streaming/id/{video}", ada)).json()["data"]
    assert after == before | {"UpdatedAt": after["UpdatedAt"]}
    assert (await stage.get("/tags/ghost/videos")).json()["data"]["total"] == 1
    assert (await stage.client.get(f"{internal}/gone/{video}")).status_code == 404


async def test_only_what_is_in_the_bin_is_deleted_for_good(stage: Stage) -> None:
    ada, bob = await stage.user(), await stage.user()
    video = await stage.ready(ada)
    path = f"/users/me/bin/{video}"
    await stage.settle()
    assert (await stage.call("DELETE", path, ada)).status_code == 404
    assert (await stage.call("DELETE", f"/streaming/{video}", bob)).status_code == 403
    assert (await stage.call("DELETE", f"/streaming/{video}", ada)).is_success
    assert (await stage.call("DELETE", path, bob)).status_code == 404
    assert (await stage.call("DELETE", path, ada)).is_success
    assert isinstance(await last(stage, video), VideoDeleted)
    assert await binned(stage, ada) == []
    assert (await stage.call("POST", f"{path}/restore", ada)).status_code == 404
    assert await stage.query("select * from catalog.videos") == []
    assert await stage.query("select * from catalog.jobs") == []


async def test_the_bin_is_emptied_in_time_and_pages_through(stage: Stage) -> None:
    ada = await stage.user()
    due, later, latest = [await stage.ready(ada, title) for title in ("due", "later", "latest")]
    now = datetime.now(UTC)
    for video, days in ((due, -1), (later, 1), (latest, 2)):
        fact = VideoBinned(video_id=video, user_id=ada, delete_at=now + timedelta(days=days))
        await stage.record(stream_id("video", video), fact)
    await stage.settle()
    assert [item["title"] for item in await binned(stage, ada)] == ["latest", "later", "due"]
    page = (await stage.get("/users/me/bin?page_size=2", ada)).json()["data"]
    assert (page["total"], len(page["data"])) == (3, 2)
    page = (await stage.get(f"/users/me/bin?page_size=2&cursor={page['cursor']}", ada)).json()
    assert [item["title"] for item in page["data"]["data"]] == ["due"]
    background = stage.background()
    assert await background.empty_bin() == 1
    await stage.settle()
    assert await background.empty_bin() == 0
    assert isinstance(await last(stage, due), VideoDeleted)
    assert [item["title"] for item in await binned(stage, ada)] == ["latest", "later"]


async def test_a_deleted_account_leaves_nothing_in_the_bin(stage: Stage) -> None:
    ada = await stage.user()
    video = await stage.ready(ada)
    await stage.settle()
    assert (await stage.call("DELETE", f"/streaming/{video}", ada)).is_success
    await stage.record(stream_id("user", ada), UserDeleted(user_id=ada))
    await stage.settle()
    assert await stage.background().delete_orphans() == 1
    assert isinstance(await last(stage, video), VideoDeleted)


async def test_without_days_a_deletion_is_final_at_once(database: Database) -> None:
    async with open_stage(database, bin_days=0) as stage:
        ada = await stage.user()
        video = await stage.ready(ada)
        await stage.settle()
        assert (await stage.call("DELETE", f"/streaming/{video}", ada)).is_success
        assert isinstance(await last(stage, video), VideoDeleted)
        assert await binned(stage, ada) == []
