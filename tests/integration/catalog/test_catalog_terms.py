"""Terms of videos, by which search finds them, as videos change."""

from shared.contracts import UserDeleted, ViewsCounted, new_id, stream_id
from tests.integration.catalog.stage import Stage


async def terms(stage: Stage, video: str) -> dict[str, int]:
    await stage.settle()
    rows = await stage.query(
        "select term, score from catalog.video_terms where video_id = $1", video
    )
    return {row["term"]: row["score"] for row in rows}


async def test_a_video_has_terms_while_lists_show_it(stage: Stage) -> None:
    user = await stage.user()
    video = await stage.upload(user, "Sea")
    assert await terms(stage, video) == {}
    video = await stage.ready(user, "Sea")
    first = await terms(stage, video)
    assert set(first) == {"sea", "s*", "se*", "sea*"}

    await stage.record(
        stream_id("video", video), ViewsCounted(video_id=video, count=3, batch_id=new_id())
    )
    assert await terms(stage, video) == first
    await stage.record(
        stream_id("video", video), ViewsCounted(video_id=video, count=30, batch_id=new_id())
    )
    assert (await terms(stage, video))["sea"] > first["sea"]

    renamed = {"title": "Sun", "description": ""}
    await stage.call("PUT", f"/streaming/{video}", user, json=renamed)
    assert "sun" in await terms(stage, video)
    assert "sea" not in await terms(stage, video)

    for visibility, there in (("private", False), ("public", True)):
        path = f"/streaming/{video}/visibility"
        await stage.call("PATCH", path, user, json={"visibility": visibility})
        assert bool(await terms(stage, video)) == there
    await stage.call("DELETE", f"/streaming/{video}", user)
    assert await terms(stage, video) == {}


async def test_videos_of_a_deleted_account_have_no_terms(stage: Stage) -> None:
    user = await stage.user()
    video = await stage.ready(user, "Sea")
    assert await terms(stage, video)
    await stage.record(stream_id("user", user), UserDeleted(user_id=user))
    assert await terms(stage, video) == {}
