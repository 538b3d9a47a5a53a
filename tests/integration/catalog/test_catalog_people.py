"""Users, channels, jobs and tags over HTTP on a real database."""

import asyncio

import pytest

from shared.contracts import (
    TranscodeCancelled,
    TranscodeFailed,
    TranscodeProgressed,
    UploadExpired,
    UploadRejected,
    UploadStarted,
    UserDeleted,
    new_id,
    stream_id,
)
from tests.integration.catalog.stage import Stage
from tests.support.catalog_events import planned, playable, transcoded, uploaded


async def test_a_users_page(stage: Stage) -> None:
    user = await stage.user("Ädä")
    ready = await stage.ready(user, "Ready")
    waiting = await stage.upload(user, "Waiting")
    await stage.settle()

    anonymous = (await stage.get(f"/users/id/{user}")).json()["data"]
    by_name = (await stage.get("/users/username/äDÄ")).json()["data"]
    own = (await stage.get(f"/users/id/{user}", user)).json()["data"]

    assert (anonymous["id"], anonymous["username"]) == (user, "Ädä")
    assert "email" not in anonymous
    assert [video["id"] for video in anonymous["videos"]] == [ready]
    assert by_name == anonymous
    assert [video["id"] for video in own["videos"]] == [waiting, ready]


async def test_unknown_users_are_not_found(stage: Stage) -> None:
    for path in (
        f"/users/id/{new_id()}",
        "/users/id/x",
        "/users/username/nobody",
        "/users/username/%00",
        f"/users/username/{'x' * 200}",
        f"/users/{new_id()}/videos",
    ):
        response = await stage.get(path)
        assert response.status_code == 404, path
        assert response.json()["error"]["type"] == "user_not_found"


async def test_a_channel_shows_everything_to_its_owner(stage: Stage) -> None:
    user, other = await stage.user(), await stage.user()
    ready = await stage.ready(user)
    waiting = await stage.upload(user)
    await stage.ready(other)
    await stage.settle()
    path = f"/users/{user}/videos"

    seen_by_other = (await stage.get(path, other)).json()["data"]
    own = (await stage.get(f"{path}?page_size=1", user)).json()["data"]
    rest = (await stage.get(f"{path}?page_size=1&cursor={own['cursor']}", user)).json()["data"]

    assert [video["id"] for video in seen_by_other["data"]] == [ready]
    assert own["total"] == 2
    assert [video["id"] for video in own["data"] + rest["data"]] == [waiting, ready]
    assert rest["cursor"] is None


async def test_a_deleted_account_takes_its_videos_with_it(stage: Stage) -> None:
    user = await stage.user("leaving")
    await stage.ready(user, "Farewell")
    await stage.record(stream_id("user", user), UserDeleted(user_id=user))
    late = await stage.ready(user, "Too late")
    await stage.settle()
    assert (await stage.get(f"/users/id/{user}")).status_code == 404
    assert (await stage.get("/users/username/leaving")).status_code == 404

    background = stage.background()
    assert await background.delete_orphans() == 2
    await stage.settle()

    assert (await stage.get("/streaming/latest")).json()["data"]["total"] == 0
    assert (await stage.get(f"/streaming/id/{late}")).status_code == 404
    assert await stage.query("select * from catalog.users where username <> ''") == []
    deleted = "select count(*) from log.events where type = 'VideoDeleted'"
    assert await background.delete_orphans() == 0
    assert (await stage.query(deleted))[0]["count"] == 2


async def test_deleting_an_accounts_videos_twice_deletes_them_once(stage: Stage) -> None:
    user = await stage.user()
    await stage.ready(user)
    await stage.record(stream_id("user", user), UserDeleted(user_id=user))
    await stage.settle()
    await stage.stop_projecting()

    # Two projectors; one of them has lost its leadership without noticing.
    await asyncio.gather(stage.background().delete_orphans(), stage.background().delete_orphans())
    await stage.background().delete_orphans()

    deleted = "select count(*) from log.events where type = 'VideoDeleted'"
    assert (await stage.query(deleted))[0]["count"] == 1


async def test_a_job_from_its_first_byte_to_its_end(stage: Stage) -> None:
    user, video = await stage.user(), new_id()
    started = UploadStarted(video_id=video, user_id=user, protocol="tus", title="Mine")
    transcode = stream_id("transcode", video)

    async def job() -> dict[str, object]:
        await stage.settle()
        return (await stage.get(f"/jobs/{video}", user)).json()["data"]

    await stage.record(stream_id("upload", video), started)
    first = await job()
    assert (first["id"], first["video_id"], first["user_id"]) == (video, video, user)
    assert (first["status"], first["stage"], first["title"]) == ("pending", "uploading", "Mine")
    assert "error_message" not in first
    assert (await stage.get(f"/streaming/id/{video}")).status_code == 404

    await stage.record(stream_id("upload", video), uploaded(video, user, "Mine"))
    assert ((await job())["status"], (await job())["stage"]) == ("pending", "queued")

    await stage.record(transcode, planned(video, user))
    assert (await job())["status"] == "processing"

    progress = TranscodeProgressed(video_id=video, attempt=1, percent=41.26, stage="encoding")
    backwards = TranscodeProgressed(video_id=video, attempt=1, percent=12, stage="encoding")
    await stage.record(transcode, progress, playable(video), backwards)
    half = await job()
    assert (half["progress"], half["stage"], half["playable"]) == (41.3, "encoding", True)

    await stage.record(transcode, *transcoded(video, user)[2:])
    done = await job()
    assert (done["status"], done["progress"], done["attempts"]) == ("completed", 100.0, 1)
    assert done["created_at"] < done["updated_at"]


@pytest.mark.parametrize("end", ["rejected", "expired", "failed", "cancelled"])
async def test_a_job_says_why_it_failed(stage: Stage, end: str) -> None:
    user, video = await stage.user(), new_id()
    upload, transcode = stream_id("upload", video), stream_id("transcode", video)
    await stage.record(upload, UploadStarted(video_id=video, user_id=user, protocol="direct"))
    if end == "rejected":
        rejected = UploadRejected(
            video_id=video, user_id=user, code="not_video", reason="No video."
        )
        await stage.record(upload, rejected)
    elif end == "expired":
        await stage.record(upload, UploadExpired(video_id=video, user_id=user))
    else:
        await stage.record(upload, uploaded(video, user))
        await stage.record(
            transcode,
            TranscodeFailed(video_id=video, attempt=1, code="broken", reason="It is broken.")
            if end == "failed"
            else TranscodeCancelled(video_id=video, requested_by=user),
        )
    await stage.settle()

    job = (await stage.get(f"/jobs/{video}", user)).json()["data"]

    assert job["status"] == "failed"
    assert job["error_message"].endswith(".")


async def test_jobs_are_their_owners(stage: Stage) -> None:
    user, other = await stage.user(), await stage.user()
    video = await stage.upload(user)

    assert (await stage.get(f"/jobs/{video}")).status_code == 401
    assert (await stage.get(f"/jobs/{video}", other)).status_code == 403
    assert (await stage.get(f"/jobs/{video}", user)).status_code == 200
    assert (await stage.get(f"/jobs/{new_id()}", user)).status_code == 404
    assert (await stage.get("/jobs/x", user)).status_code == 404
    assert (await stage.get("/jobs")).status_code == 401


async def test_my_jobs_by_status_and_cursor(stage: Stage) -> None:
    user, other = await stage.user(), await stage.user()
    ready = [await stage.ready(user) for _ in range(3)]
    waiting = await stage.upload(user)
    await stage.upload(other)
    await stage.settle()

    mine = (await stage.get("/jobs", user)).json()["data"]
    completed = (await stage.get("/jobs?status=completed&page_size=2", user)).json()["data"]
    cursor = completed["cursor"]
    rest = (await stage.get(f"/jobs?status=completed&page_size=2&cursor={cursor}", user)).json()[
        "data"
    ]

    assert [job["id"] for job in mine["data"]] == [waiting, *ready[::-1]]
    assert completed["total"] == 3
    assert [job["id"] for job in completed["data"] + rest["data"]] == ready[::-1]
    assert (await stage.get("/jobs?status=done", user)).status_code == 400


async def test_what_was_just_written_is_found(stage: Stage) -> None:
    """The test does not wait, because each request waits for the read models."""
    user = await stage.user("quick")
    assert (await stage.get("/users/username/quick")).status_code == 200
    video = await stage.upload(user)
    assert (await stage.get(f"/jobs/{video}", user)).status_code == 200
    later = await stage.upload(user)
    assert (await stage.get(f"/streaming/id/{later}")).status_code == 200


async def test_nothing_hangs_when_the_projector_is_away(stage: Stage) -> None:
    user = await stage.user()
    video = await stage.ready(user, "Old")
    await stage.settle()
    await stage.stop_projecting()

    edited = await stage.call("PUT", f"/streaming/{video}", user, json={"title": "New"})
    missing = await stage.get(f"/streaming/id/{new_id()}")

    assert edited.status_code == 200
    assert edited.json()["data"]["title"] == "New"
    assert missing.status_code == 404


async def test_tags(stage: Stage) -> None:
    user = await stage.user()
    video = await stage.ready(user, tags=("Sea",))
    waiting = await stage.upload(user, tags=("slow",))
    await stage.settle()

    added = await stage.call(
        "POST", f"/tags/{video}", user, json={"tags": [" Go  lang ", "SEA", "日本"]}
    )
    assert added.status_code == 200
    assert added.json()["data"]["message"]
    shown = (await stage.get(f"/streaming/id/{video}")).json()["data"]["tags"]
    assert [tag["name"] for tag in shown] == ["Sea", "Go lang", "日本"]
    known = (await stage.get("/tags")).json()["data"]
    assert [tag["name"] for tag in known] == ["Go lang", "Sea", "日本"]
    assert [tag["id"] for tag in shown] == [known[1]["id"], known[0]["id"], known[2]["id"]]

    page = (await stage.get("/tags/go%20LANG/videos")).json()["data"]
    assert [one["id"] for one in page["data"]] == [video]
    assert (page["total"], page["page"], page["page_size"]) == (1, 1, 10)
    assert (await stage.get("/tags/slow/videos")).status_code == 404
    assert waiting not in str(page)

    removed = await stage.call("DELETE", f"/tags/{video}", user, json={"tag": "sea"})
    assert removed.status_code == 200
    assert (await stage.get("/tags/sea/videos")).status_code == 404
    again = await stage.call("DELETE", f"/tags/{video}", user, json={"tag": "sea"})
    assert again.status_code == 404
    by_query = await stage.call("DELETE", f"/tags/{video}?tag=go%20lang", user)
    assert by_query.status_code == 200


async def test_tags_must_be_tags(stage: Stage) -> None:
    user = await stage.user()
    video = await stage.ready(user)

    for body in (
        {"tags": []},
        {"tags": [str(number) for number in range(11)]},
        {"tags": [""]},
        {"tags": ["x" * 51]},
        {"tags": ["a\u0000"]},
        {"tags": "a"},
        {},
    ):
        response = await stage.call("POST", f"/tags/{video}", user, json=body)
        assert response.status_code == 400, body


async def test_a_removed_tag_must_be_named(stage: Stage) -> None:
    user = await stage.user()
    video = await stage.ready(user)

    assert (await stage.call("DELETE", f"/tags/{video}", user)).status_code == 400
    assert (await stage.call("DELETE", f"/tags/{video}", user, json={})).status_code == 400
    assert (
        await stage.call("DELETE", f"/tags/{video}", user, json={"tag": " "})
    ).status_code == 400


async def test_tagged_videos_by_pages_and_by_cursor(stage: Stage) -> None:
    user = await stage.user()
    videos = [await stage.ready(user, tags=("all",)) for _ in range(5)]
    await stage.settle()

    second = (await stage.get("/tags/all/videos?page=2&page_size=2")).json()["data"]
    first = (await stage.get("/tags/all/videos?page_size=2")).json()["data"]
    next_ = (await stage.get(f"/tags/all/videos?page_size=2&cursor={first['cursor']}")).json()

    assert [one["id"] for one in second["data"]] == videos[::-1][2:4]
    assert next_["data"]["data"] == second["data"]
    assert second["total"] == 5


async def test_unknown_tags_are_not_found(stage: Stage) -> None:
    for tag in ("none", "%20", "%00", "a" * 3000):
        assert (await stage.get(f"/tags/{tag}/videos")).status_code == 404, tag
