"""Which answers are the same for everybody, and that gateways are told when they change."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from shared.contracts import stream_id
from tests.integration.catalog.stage import Stage
from tests.support.wait import eventually


@pytest.fixture
async def gateway(stage: Stage) -> AsyncIterator[httpx.AsyncClient]:
    """What asks the internal routes."""
    transport = stage.client._transport
    async with httpx.AsyncClient(
        transport=transport, base_url="http://catalog/internal", timeout=30
    ) as client:
        yield client


def tags_of(answer: httpx.Response) -> tuple[str | None, str]:
    return answer.headers.get("x-cinelog-shows"), answer.headers["cache-control"]


SHARED = "public, max-age=0, s-maxage=2"
PERSONAL = (None, "private, no-cache")


async def test_answers_to_nobody_in_particular_say_what_they_show(stage: Stage) -> None:
    user = await stage.user("ada")
    video = await stage.ready(user, tags=["sea"])
    await stage.settle()
    lists = [
        *("/streaming/latest", "/streaming/search?q=video", "/tags", "/tags/sea/videos"),
        *(f"/users/{user}/videos", f"/users/id/{user}", "/users/username/ada"),
    ]
    shows = dict.fromkeys(lists, "lists") | {f"/streaming/id/{video.upper()}": video}
    for path, shown in shows.items():
        answer = await stage.get(path)
        assert (answer.status_code, tags_of(answer)) == (200, (shown, SHARED)), path
        known = {"if-none-match": answer.headers["etag"]}
        again = await stage.get(path, headers=known)
        assert (again.status_code, tags_of(again)) == (304, (shown, SHARED)), path
        assert tags_of(await stage.get(path, user)) == PERSONAL, path
        assert tags_of(await stage.get(path, headers={"authorization": "x"})) == PERSONAL, path


async def test_answers_say_who_alone_is_shown_something_else(stage: Stage) -> None:
    ada, ben = await stage.user("ada"), await stage.user("ben")
    video = await stage.ready(ada, tags=["sea"])
    await stage.ready(ada, visibility="private")
    await stage.settle()
    apart = {
        **dict.fromkeys(
            ("/streaming/latest", "/streaming/search?q=video", "/tags", "/tags/sea/videos"),
            "nobody",
        ),
        **dict.fromkeys(
            (
                *(f"/users/{ada}/videos", f"/users/id/{ada}", "/users/username/ada"),
                *(f"/streaming/id/{video}", f"/videos/{video}/chapters.vtt"),
                f"/videos/{video}/captions",
            ),
            ada,
        ),
    }
    for path, user in apart.items():
        answer = await stage.get(path)
        assert answer.headers["x-cinelog-apart"] == user, path
        signed_in = await stage.get(path, ben)
        assert signed_in.content == answer.content, path
        assert "x-cinelog-apart" not in signed_in.headers, path
        if user == "nobody":
            assert (await stage.get(path, ada)).content == answer.content, path
    for path in (f"/users/{ada}/videos", f"/users/id/{ada}"):
        assert (await stage.get(path, ada)).content != (await stage.get(path)).content, path


async def test_answers_about_a_caller_and_refusals_are_nobody_elses(stage: Stage) -> None:
    user = await stage.user()
    hidden = await stage.ready(user, visibility="private")
    unlisted = await stage.ready(user, visibility="unlisted")
    await stage.settle()
    for path in (
        f"/jobs/{hidden}",
        "/jobs",
        f"/streaming/id/{hidden}",
        f"/videos/{hidden}/timeline",
    ):
        answer = await stage.get(path, user)
        assert (answer.status_code, tags_of(answer)) == (200, PERSONAL), path
    for path in (f"/streaming/id/{hidden}", "/tags/none/videos", "/streaming/search"):
        refused = await stage.get(path)
        assert refused.status_code in {400, 404}
        assert "x-cinelog-shows" not in refused.headers
        assert "public" not in refused.headers.get("cache-control", "")
    assert tags_of(await stage.get(f"/streaming/id/{unlisted}")) == (unlisted, SHARED)


async def test_a_gateway_is_told_once_the_read_models_show_a_change(
    stage: Stage, gateway: httpx.AsyncClient
) -> None:
    user = await stage.user()
    video = await stage.ready(user, "Before")
    await stage.settle()
    position = await caught_up(stage, gateway)
    body = {"title": "After", "description": ""}
    waiting = asyncio.create_task(told(gateway, position))
    changed = await stage.call("PUT", f"/streaming/{video}", user, json=body)
    assert changed.status_code == 200
    news = await waiting
    assert news == {
        **{"position": position + 1, "shows": sorted(["lists", video]), "everything": False}
    }
    shown = (await stage.get(f"/streaming/id/{video}")).json()["data"]["title"]
    assert shown == "After"
    assert (await told(gateway, position)) == news


async def test_what_changes_no_answer_is_not_told(stage: Stage, gateway: httpx.AsyncClient) -> None:
    user = await stage.user()
    video = await stage.ready(user)
    await stage.settle()
    position = await caught_up(stage, gateway)
    await stage.call("PATCH", f"/streaming/views/{video}")
    await eventually(stage.count_pending_views)
    await stage.settle()
    assert (await stage.query("select views from catalog.videos"))[0]["views"] == 1
    assert stream_id("video", video) in {
        row["stream_id"] for row in await stage.query("select stream_id from log.events")
    }
    assert await told(gateway, position) == {
        **{"position": await head(stage), "shows": [], "everything": False}
    }


async def told(gateway: httpx.AsyncClient, position: int) -> dict[str, object]:
    answer = await gateway.get(f"/shown?after={position}")
    assert answer.status_code == 200
    return answer.json()


async def caught_up(stage: Stage, gateway: httpx.AsyncClient) -> int:
    """The present position, once gateways are told of all before it."""

    async def current() -> bool:
        news = await told(gateway, 0)
        return news["everything"] is True and news["position"] == await head(stage)

    await eventually(current)
    return await head(stage)


async def head(stage: Stage) -> int:
    return (await stage.query("select position from catalog.checkpoints"))[0]["position"]
