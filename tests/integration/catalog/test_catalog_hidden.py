"""Videos that others may not see: by every route, for every caller, from the first event on."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.contracts import (
    UploadStarted,
    UserDeleted,
    Visibility,
    VisibilityChanged,
    new_id,
    stream_id,
)
from tests.integration.catalog.stage import Stage
from tests.support.catalog_events import transcoded

HIDDEN: list[Visibility] = ["private", "draft"]
SOON = timedelta(days=1)

# Of each route with the id of a video: who gets which answer, for a video that is public or
# unlisted, and for one that is hidden. The callers: nobody, another, another with an expired token.
ANYBODYS = (
    {"nobody": 200, "other": 200, "expired": 200},
    dict.fromkeys(("nobody", "other", "expired"), 404),
)
OWNERS = (
    {"nobody": 401, "other": 403, "expired": 401},
    {"nobody": 401, "other": 404, "expired": 401},
)
ROUTES = [
    ("GET", "/streaming/id/{}", None, ANYBODYS),
    ("PATCH", "/streaming/views/{}", None, ANYBODYS),
    ("PUT", "/streaming/{}", {"title": "x", "description": ""}, OWNERS),
    ("PATCH", "/streaming/{}/visibility", {"visibility": "private"}, OWNERS),
    ("POST", "/tags/{}", {"tags": ["a"]}, OWNERS),
    ("DELETE", "/tags/{}", {"tag": "a"}, OWNERS),
    ("DELETE", "/tags/{}?tag=a", None, OWNERS),
    ("GET", "/jobs/{}", None, OWNERS),
    ("GET", "/jobs/{}/events", None, OWNERS),
    ("GET", "/videos/{}/timeline", None, OWNERS),
    ("DELETE", "/streaming/{}", None, OWNERS),
]


async def everything_public(stage: Stage, other: str) -> str:
    """All that others can list, search and count."""
    paths = ("/streaming/latest", "/streaming/search?q=hidden", "/tags", "/tags/secret/videos")
    found = [(await stage.get(path, other)).text for path in paths]
    found.append((await stage.get("/events", other)).text)
    return " ".join(found)


async def test_every_route_for_every_caller(stage: Stage) -> None:
    owner, other = await stage.user(), await stage.user()
    videos = {
        visibility: await stage.ready(owner, "hidden", tags=("a",), visibility=visibility)
        for visibility in ("public", "unlisted", "private", "draft")
    }
    await stage.settle()
    for method, path, body, (shown, hidden) in ROUTES:
        for visibility, video in videos.items():
            for who, status in (hidden if visibility in HIDDEN else shown).items():
                headers = {
                    "nobody": {},
                    "other": stage.login(other),
                    "expired": stage.login(other, lifetime=-60),
                }[who]
                answer = await stage.call(method, path.format(video), json=body, headers=headers)
                case = (method, path, visibility, who)
                assert answer.status_code == status, (case, answer.text)
                missing = await stage.call(
                    method, path.format(new_id()), json=body, headers=headers
                )
                if status == 404:
                    same = ("type", "message", "details")
                    assert [answer.json()["error"].get(name) for name in same] == [
                        missing.json()["error"].get(name) for name in same
                    ], case
    # The owner may do all of it; the last route deletes the video.
    for method, path, body, _ in ROUTES:
        for video in videos.values():
            answer = await stage.call(method, path.format(video), owner, json=body)
            # Of the two ways to remove the one tag, the second finds none.
            assert answer.is_success or "tag=a" in path, (method, path, answer.text)


@pytest.mark.parametrize("visibility", HIDDEN)
async def test_hidden_from_the_first_event_on(stage: Stage, visibility: Visibility) -> None:
    owner, other = await stage.user("owner"), await stage.user()
    video = new_id()
    started = UploadStarted(
        video_id=video, user_id=owner, protocol="tus", title="hidden", visibility=visibility
    )
    await stage.record(stream_id("upload", video), started)

    async def nothing_shows() -> None:
        await stage.settle()
        assert video not in await everything_public(stage, other)
        assert "secret" not in (await stage.get("/tags", other)).text
        for path in (f"/users/id/{owner}", "/users/username/owner", f"/users/{owner}/videos"):
            assert video not in (await stage.get(path, other)).text
        for path in ("/streaming/id/", "/jobs/"):
            assert (await stage.get(f"{path}{video}", other)).status_code == 404
        asked = await stage.client.get(f"http://catalog/internal/media/{video}")
        assert asked.status_code == 404 or asked.json()["visibility"] == visibility

    await nothing_shows()
    await stage.upload(owner, "hidden", video_id=video, visibility=visibility, tags=("secret",))
    await nothing_shows()
    for event in transcoded(video, owner):
        await stage.record(stream_id("transcode", video), event)
        await nothing_shows()
    shown = (await stage.get(f"/streaming/id/{video}", owner)).json()["data"]
    assert shown["visibility"] == visibility
    assert "/media/public/" not in shown["video"] + shown["thumbnail"] + shown["dash"]
    assert video in (await stage.get(f"/users/{owner}/videos", owner)).text


async def test_of_deleted_videos_those_are_named_that_anybody_could_see(stage: Stage) -> None:
    owner = await stage.user()

    async def said(video: str) -> int:
        return (await stage.client.get(f"http://catalog/internal/gone/{video}")).status_code

    for visibility in ("public", "unlisted", *HIDDEN):
        video = await stage.ready(owner, visibility=visibility)
        assert await said(video) == 404
        assert (await stage.call("DELETE", f"/streaming/{video}", owner)).is_success
        assert await said(video) == (404 if visibility in HIDDEN else 204), visibility
    hidden_later = await stage.ready(owner)
    body = {"visibility": "private"}
    assert (
        await stage.call("PATCH", f"/streaming/{hidden_later}/visibility", owner, json=body)
    ).is_success
    assert (await stage.call("DELETE", f"/streaming/{hidden_later}", owner)).is_success
    for unknown in (hidden_later, new_id(), "nonsense"):
        assert await said(unknown) == 404


async def test_a_draft_becomes_public_by_itself(stage: Stage) -> None:
    owner, other = await stage.user(), await stage.user()
    past = datetime.now(UTC) - timedelta(seconds=1)
    due = await stage.ready(owner, "due", visibility="draft", publish_at=past)
    later = await stage.ready(owner, visibility="draft", publish_at=past + SOON)
    never = await stage.ready(owner, visibility="draft")
    changed = await stage.ready(owner)
    now_private = VisibilityChanged(video_id=later, visibility="private")
    await stage.settle()
    body = {"visibility": "draft", "publish_at": (past + SOON).isoformat()}
    answer = await stage.call("PATCH", f"/streaming/{changed}/visibility", owner, json=body)
    assert answer.json()["data"]["publish_at"][:19] == (past + SOON).isoformat()[:19]

    assert await stage.background().publish_drafts() == 1
    await stage.settle()
    assert await stage.background().publish_drafts() == 0

    listed = (await stage.get("/streaming/latest")).json()["data"]["data"]
    assert [video["id"] for video in listed] == [due]
    assert listed[0]["publish_at"] is None
    for video in (later, never, changed):
        assert (await stage.get(f"/streaming/id/{video}", other)).status_code == 404
    await stage.record(stream_id("video", later), now_private)
    await stage.settle()
    shown = (await stage.get(f"/streaming/id/{later}", owner)).json()["data"]
    assert (shown["visibility"], shown["publish_at"]) == ("private", None)


@pytest.mark.parametrize(
    "body",
    [
        {"visibility": "draft", "publish_at": "2020-01-01T00:00:00Z"},
        {"visibility": "draft", "publish_at": "2999-01-01T00:00:00Z"},
        {"visibility": "draft", "publish_at": "2027-01-01T00:00:00"},
        {"visibility": "draft", "publish_at": "soon"},
        {"visibility": "public", "publish_at": "2027-01-01T00:00:00Z"},
        {"visibility": "Private"},
        {"visibility": "private", "publishAt": "2027-01-01T00:00:00Z"},
    ],
)
async def test_what_cannot_be_published_is_refused(stage: Stage, body: dict[str, Any]) -> None:
    owner = await stage.user()
    video = await stage.ready(owner)
    await stage.settle()
    answer = await stage.call("PATCH", f"/streaming/{video}/visibility", owner, json=body)
    assert answer.status_code == 400, answer.text
    wrong = [detail["field"].removeprefix("$.") for detail in answer.json()["error"]["details"]]
    assert set(wrong) <= {"visibility", "publish_at", "publishAt"}, wrong
    assert wrong
    shown = (await stage.get(f"/streaming/id/{video}")).json()["data"]
    assert shown["visibility"] == "public"


async def test_a_deleted_account_shows_nothing_before_its_videos_are_deleted(stage: Stage) -> None:
    """The videos are deleted one by one afterwards; with thousands of them, that takes a while."""
    owner, other = await stage.user("leaver"), await stage.user()
    video = await stage.ready(owner, "hidden", tags=("secret",))
    going = await stage.upload(owner, "hidden", tags=("secret",))
    await stage.settle()
    assert video in await everything_public(stage, other)

    await stage.record(stream_id("user", owner), UserDeleted(user_id=owner))
    await stage.record(stream_id("transcode", going), *transcoded(going, owner))
    await stage.settle()

    found = await everything_public(stage, other)
    assert video not in found
    assert going not in found
    assert "secret" not in (await stage.get("/tags")).text
    for path in (
        *(f"/streaming/id/{each}" for each in (video, going)),
        *(f"/users/id/{owner}", "/users/username/leaver", f"/users/{owner}/videos"),
        *("/tags/secret/videos", f"/jobs/{video}"),
    ):
        assert (await stage.get(path, other)).status_code == 404, path
    asked = await stage.client.get(f"http://catalog/internal/media/{video}")
    assert asked.status_code == 404
