"""The routes of videos, with valid and invalid requests, over HTTP on a real database."""

import re
from typing import Any

import pytest

from shared.contracts import (
    Event,
    LiveEnded,
    SessionRevoked,
    TranscodeFailed,
    TranscodeRetried,
    UserDeleted,
    Visibility,
    new_id,
    stream_id,
)
from shared.http.grants import check
from shared.http.paging import encode_cursor
from tests.integration.catalog.stage import GRANT_SECRET, Stage
from tests.integration.live.harness import batch
from tests.support.catalog_events import planned, playable, transcoded
from tests.support.live_events import live_connected


async def test_a_ready_video_has_every_field_of_the_contract(stage: Stage) -> None:
    user = await stage.user("ada")
    video = await stage.ready(user, "Bunny", description="It is big.", tags=("Cartoon", "rabbit"))
    await stage.settle()

    response = await stage.get(f"/streaming/id/{video}")

    assert response.status_code == 200
    body = response.json()
    assert body["success"] is True
    assert "error" not in body
    data = body["data"]
    assert data["id"] == video
    assert data["video"] == f"https://cinelog.test/media/public/{video}/master.m3u8"
    assert data["thumbnail"] == f"https://cinelog.test/media/public/{video}/poster.webp"
    assert data["storyboard"] == f"https://cinelog.test/media/public/{video}/storyboard.vtt"
    assert data["dash"] == f"https://cinelog.test/media/public/{video}/manifest.mpd"
    assert (data["title"], data["description"]) == ("Bunny", "It is big.")
    assert (data["user_id"], data["username"]) == (user, "ada")
    assert (data["duration"], data["duration_ms"]) == ("1:30", 89_600)
    assert (data["width"], data["height"]) == (1280, 720)
    assert (data["status"], data["playable"], data["visibility"]) == ("ready", True, "public")
    assert data["views"] == 0
    assert [tag["name"] for tag in data["tags"]] == ["Cartoon", "rabbit"]
    assert all(tag["id"] for tag in data["tags"])
    assert data["renditions"][0]["frame_rate"] == 29.97
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", data["CreatedAt"])
    assert data["UpdatedAt"] >= data["CreatedAt"]


async def test_a_video_in_the_making_is_shown_but_not_listed(stage: Stage) -> None:
    user = await stage.user()
    video = await stage.upload(user)
    await stage.settle()

    shown = (await stage.get(f"/streaming/id/{video}")).json()["data"]
    listed = (await stage.get("/streaming/latest")).json()["data"]

    assert (shown["status"], shown["video"], shown["duration"]) == ("processing", "", "")
    assert listed["data"] == []
    assert listed["total"] == 0


async def test_running_lives_can_be_asked_for_alone_and_end(stage: Stage) -> None:
    ann, bob = await stage.user("ann"), await stage.user("bob")
    await stage.ready(ann, "No live")
    video = await _live(stage, ann, "public")
    hidden = await _live(stage, ann, "private")
    await stage.settle()

    async def running(path: str, user: str | None = None) -> list[str]:
        headers = stage.login(user) if user else {}
        answer = await stage.get(f"{path}?live=true", headers=headers)
        data = answer.json()["data"]
        assert data["total"] == len(data["data"])
        return [one["id"] for one in data["data"]]

    assert await running("/streaming/latest") == [video]
    assert await running(f"/users/{ann}/videos") == [video]
    assert set(await running(f"/users/{ann}/videos", ann)) == {video, hidden}
    assert await running(f"/users/{bob}/videos") == []
    everything = (await stage.get("/streaming/latest")).json()["data"]
    assert [one["live"] is not None for one in everything["data"]] == [True, False]
    assert (await stage.get("/streaming/latest?live=perhaps")).status_code == 400

    await stage.record(
        stream_id("livesession", video),
        LiveEnded(video_id=video, live_id=new_id(), user_id=ann, reason="owner"),
    )
    await stage.settle()
    assert await running("/streaming/latest") == []


async def _live(stage: Stage, user: str, visibility: Visibility) -> str:
    """A session with its first pictures; the id of its video."""
    video = new_id()
    await stage.record(
        stream_id("livesession", video),
        live_connected(
            video, user, live_id=new_id(), protocol="whip", title="A race", visibility=visibility
        ),
        batch(video, 1, 0),
    )
    return video


async def test_a_video_is_listed_as_soon_as_it_is_playable(stage: Stage) -> None:
    user = await stage.user()
    video = await stage.upload(user)
    await stage.record(stream_id("transcode", video), planned(video, user), playable(video))
    await stage.settle()

    listed = (await stage.get("/streaming/latest")).json()["data"]["data"]

    assert [one["id"] for one in listed] == [video]
    assert listed[0]["video"].endswith(f"/{video}/master.m3u8")


async def test_a_failed_video_is_not_listed_until_a_retry_succeeds(stage: Stage) -> None:
    user = await stage.user()
    video = await stage.upload(user)
    transcode = stream_id("transcode", video)
    failed = TranscodeFailed(video_id=video, attempt=1, code="broken", reason="It is broken.")
    await stage.record(transcode, planned(video, user), playable(video), failed)
    await stage.settle()
    assert (await stage.get("/streaming/latest")).json()["data"]["total"] == 0
    assert (await stage.get(f"/streaming/id/{video}")).json()["data"]["status"] == "failed"

    retried = TranscodeRetried(video_id=video, attempt=2, requested_by=user)
    await stage.record(transcode, retried)
    await stage.settle()
    assert (await stage.get(f"/streaming/id/{video}")).json()["data"]["video"] == ""

    await stage.record(transcode, *transcoded(video, user, attempt=2))
    await stage.settle()
    assert (await stage.get("/streaming/latest")).json()["data"]["total"] == 1


async def test_pages_are_clamped(stage: Stage) -> None:
    for query, page, size in (
        ("", 1, 10),
        ("?page=0&page_size=0", 1, 10),
        ("?page=-3&page_size=-1", 1, 10),
        ("?page_size=51", 1, 50),
        ("?page=2&page_size=3", 2, 3),
        ("?page=x&page_size=y", 1, 10),
    ):
        data = (await stage.get(f"/streaming/latest{query}")).json()["data"]
        assert (data["page"], data["page_size"]) == (page, size), query


async def test_newest_first_by_pages_and_by_cursor(stage: Stage) -> None:
    user = await stage.user()
    videos = [await stage.ready(user, f"Video {number}") for number in range(7)]
    await stage.settle()
    newest_first = videos[::-1]

    second = (await stage.get("/streaming/latest?page=2&page_size=3")).json()["data"]
    assert [one["id"] for one in second["data"]] == newest_first[3:6]
    assert second["total"] == 7

    seen, cursor = [], ""
    while cursor is not None:
        data = (await stage.get(f"/streaming/latest?page_size=3&cursor={cursor}")).json()["data"]
        seen += [one["id"] for one in data["data"]]
        cursor = data["cursor"]
    assert seen == newest_first


async def test_a_made_up_cursor_is_refused(stage: Stage) -> None:
    now = "2026-01-01T00:00:00"
    for place in ([now, new_id()], [now + "Z", "a\0"], [1, 2], -1, 10**30, None):
        cursor = encode_cursor(place)
        for path in ("latest?", "search?q=x&"):
            response = await stage.get(f"/streaming/{path}cursor={cursor}")
            assert response.status_code == 400, place
    for moment in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-00:01"):
        cursor = encode_cursor([moment, new_id()])
        response = await stage.get(f"/streaming/latest?cursor={cursor}")
        assert response.status_code == 400, moment
    response = await stage.get("/streaming/latest?cursor=nonsense")
    assert response.status_code == 400
    assert response.json()["error"]["code"] == 400


async def test_unknown_videos_are_not_found(stage: Stage) -> None:
    for video in ("nonsense", "%00", new_id(), "a" * 5000):
        for method, path in (("GET", "/streaming/id/{}"), ("PATCH", "/streaming/views/{}")):
            response = await stage.call(method, path.format(video))
            assert response.status_code == 404, video
            error = response.json()["error"]
            assert error["code"] == 404
            assert error["message"]
            assert error["type"]


async def test_edit(stage: Stage) -> None:
    user = await stage.user()
    video = await stage.ready(user, "Before")
    await stage.settle()

    response = await stage.call(
        "PUT", f"/streaming/{video}", user, json={"title": " After ", "description": "New"}
    )

    assert response.status_code == 200
    assert response.json()["data"]["title"] == "After"
    shown = (await stage.get(f"/streaming/id/{video}")).json()["data"]
    assert (shown["title"], shown["description"]) == ("After", "New")
    assert (await stage.get("/streaming/search?q=after")).json()["data"]["total"] == 1
    assert (await stage.get("/streaming/search?q=before")).json()["data"]["total"] == 0


async def test_edit_refuses_what_breaks_the_rules(stage: Stage) -> None:
    user = await stage.user()
    video = await stage.ready(user)

    for body in (
        {"title": "", "description": ""},
        {"title": "   ", "description": ""},
        {"title": "\u200b", "description": ""},
        {"title": "x" * 201, "description": ""},
        {"title": "x", "description": "y" * 5001},
        {"title": "a\u0000b"},
        {"title": 5},
        {},
    ):
        response = await stage.call("PUT", f"/streaming/{video}", user, json=body)
        assert response.status_code == 400, body
        assert response.json()["success"] is False


OWNERS_ROUTES = [
    ("PUT", "/streaming/{}", {"title": "x", "description": ""}),
    ("DELETE", "/streaming/{}", None),
    ("PATCH", "/streaming/{}/visibility", {"visibility": "private"}),
    ("POST", "/tags/{}", {"tags": ["a"]}),
    ("DELETE", "/tags/{}", {"tag": "a"}),
]


async def test_only_the_owner_changes_a_video(stage: Stage) -> None:
    for method, path, body in OWNERS_ROUTES:
        owner, other = await stage.user(), await stage.user()
        video = await stage.ready(owner, tags=("a",))
        here = path.format(video)
        broken = {"authorization": "Bearer x"}

        assert (await stage.call(method, here, json=body)).status_code == 401
        assert (await stage.call(method, here, json=body, headers=broken)).status_code == 401
        stranger = await stage.call(method, here, other, json=body)
        assert stranger.status_code == 403
        assert stranger.json()["error"]["type"] == "not_your_video"
        unknown = await stage.call(method, path.format(new_id()), owner, json=body)
        assert unknown.status_code == 404
        assert (await stage.call(method, path.format("x"), owner, json=body)).status_code == 404
        assert (await stage.call(method, here, owner, json=body)).status_code == 200


async def test_a_deleted_video_is_gone_everywhere(stage: Stage) -> None:
    user = await stage.user()
    video = await stage.ready(user, "Vanishing", tags=("ghost",))
    await stage.settle()

    response = await stage.call("DELETE", f"/streaming/{video}", user)

    assert response.status_code == 200
    assert response.json()["data"]["message"]
    assert (await stage.get(f"/streaming/id/{video}")).status_code == 404
    assert (await stage.get(f"/jobs/{video}", user)).status_code == 404
    assert (await stage.get("/tags/ghost/videos")).status_code == 404
    assert (await stage.get("/streaming/search?q=vanishing")).json()["data"]["total"] == 0
    assert (await stage.client.get(f"http://catalog/internal/media/{video}")).status_code == 404
    assert (await stage.call("DELETE", f"/streaming/{video}", user)).status_code == 404
    assert (await stage.call("PATCH", f"/streaming/views/{video}")).status_code == 404


async def test_visibility(stage: Stage) -> None:
    user, other = await stage.user(), await stage.user()
    video = await stage.ready(user, "Secret", tags=("hidden",))
    path = f"/streaming/{video}/visibility"

    async def asked() -> str:
        answer = await stage.client.get(f"http://catalog/internal/media/{video}")
        return answer.json()["visibility"]

    unlisted = await stage.call("PATCH", path, user, json={"visibility": "unlisted"})
    assert unlisted.json()["data"]["visibility"] == "unlisted"
    assert (await stage.get(f"/streaming/id/{video}")).status_code == 200
    assert (await stage.get("/streaming/latest")).json()["data"]["total"] == 0
    assert (await stage.get("/streaming/search?q=secret")).json()["data"]["total"] == 0
    assert (await stage.get("/tags")).json()["data"] == []
    assert await asked() == "unlisted"

    private = await stage.call("PATCH", path, user, json={"visibility": "private"})
    token, found = private.json()["data"]["video"].split("/media/")[1].split("/")[:2]
    assert found == video
    assert token != "public"
    session = check(GRANT_SECRET, token, video, 0)
    assert session is not None
    assert not check(GRANT_SECRET, token, video, 4_000_000_000)
    assert (await stage.get(f"/streaming/id/{video}")).status_code == 404
    assert (await stage.get(f"/streaming/id/{video}", other)).status_code == 404
    assert (await stage.call("PATCH", f"/streaming/views/{video}", other)).status_code == 404
    own = (await stage.get(f"/streaming/id/{video}", user)).json()["data"]
    assert "/media/public/" not in own["video"] + own["thumbnail"] + own["dash"]
    assert await asked() == "private"

    assert (
        await stage.call("PATCH", path, user, json={"visibility": "friends"})
    ).status_code == 400
    await stage.call("PATCH", path, user, json={"visibility": "public"})
    assert (await stage.get("/streaming/latest")).json()["data"]["total"] == 1


@pytest.mark.parametrize("end", ["logout", "deletion"])
async def test_a_grant_ends_with_the_session_that_asked_for_it(stage: Stage, end: str) -> None:
    user, session, other = await stage.user(), new_id(), new_id()
    video = await stage.ready(user, visibility="private")
    await stage.settle()

    async def open_for(session_id: str) -> bool:
        headers = stage.login(user, session=session_id)
        found = await stage.client.get(f"/streaming/id/{video}", headers=headers)
        if found.status_code == 200:
            token = found.json()["data"]["video"].split("/media/")[1].split("/")[0]
            assert check(GRANT_SECRET, token, video, 0) == session_id
        asked = f"http://catalog/internal/media/{video}?session={session_id}"
        return (await stage.client.get(asked)).status_code == 200

    assert await open_for(session)
    assert await open_for(other)
    ended: Event = UserDeleted(user_id=user)
    if end == "logout":
        ended = SessionRevoked(user_id=user, session_id=session, reason="logout")
    await stage.record(stream_id("user", user), ended)
    assert not await open_for(session)
    assert await open_for(other) == (end == "logout")


async def test_links_follow_where_the_caller_came_from(stage: Stage) -> None:
    internal = await stage.client.get("http://catalog/internal/openapi.json")

    assert internal.status_code == 200
    assert "/api/v1/streaming/latest" in internal.json()["paths"]
    assert "/internal/media/{video_id}" not in internal.json()["paths"]


async def test_unchanged_answers_are_not_sent_again(stage: Stage) -> None:
    user = await stage.user()
    video = await stage.ready(user)
    await stage.settle()
    path = f"/streaming/id/{video}"

    first = await stage.get(path)
    again = await stage.get(path, headers={"if-none-match": first.headers["etag"]})
    await stage.call("PATCH", f"/streaming/views/{video}")
    changed = await stage.get(path, headers={"if-none-match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]


async def test_a_video_whose_events_are_of_a_newer_version_is_shown_and_not_changed(
    stage: Stage,
) -> None:
    """Its owner is told; the owner's other videos are as ever."""
    user = await stage.user()
    newer, other = await stage.ready(user, "Newer"), await stage.ready(user, "Other")
    await stage.query(
        "insert into log.events"
        " (stream_id, version, event_id, type, schema_version, data, metadata)"
        " values ($1, 1, gen_random_uuid(), 'VideoFramed', 1, '{}', '{}')",
        stream_id("video", newer),
    )
    await stage.settle()

    changes: list[tuple[str, str, dict[str, Any]]] = [
        ("PUT", f"/streaming/{newer}", {"title": "Changed"}),
        ("PATCH", f"/streaming/{newer}/visibility", {"visibility": "private"}),
        ("POST", f"/tags/{newer}", {"tags": ["tag"]}),
    ]
    for method, path, body in changes:
        answer = await stage.call(method, path, user, json=body)
        assert answer.status_code == 409
        assert answer.json()["error"]["type"] == "stream_unreadable"
    assert (await stage.get(f"/streaming/id/{newer}")).json()["data"]["title"] == "Newer"
    changed = await stage.call("PUT", f"/streaming/{other}", user, json={"title": "Changed"})
    assert changed.status_code == 200
